"""`--mode=filter` on a user's images."""

import numpy as np
import pytest
from PIL import Image

from tests.export.trained import workdir
from tests.programs.command import call
from vision_jax.viz.grid import TITLE


@pytest.fixture
def images(tmp_path):
  """Two images of other sizes, grey and in colour, and one that is none."""
  folder = tmp_path / "images"
  (folder / "more").mkdir(parents=True)
  image = np.zeros((20, 30), np.uint8)
  image[:, 15:] = 255
  Image.fromarray(image).save(folder / "a.png")
  colours = np.random.default_rng(0).integers(0, 256, (31, 17, 3), np.uint8)
  Image.fromarray(colours).save(folder / "more/ä.jpg")
  (folder / "b.png").write_text("no image")
  return folder


def run(*flags, code=0):
  result = call("--mode=filter", *flags, devices=1)
  assert result.code == code, result.err
  return result


def cells(path, size, number):
  """The cells of one row of a panel, without their titles."""
  h, w = size
  panel = np.asarray(Image.open(path))
  assert panel.shape == (TITLE + h, number * (w + 2) - 2, 3)
  return [panel[TITLE:, i * (w + 2) :][:, :w] for i in range(number)]


def test_panels_are_of_each_images_own_size(tmp_path, images):
  out = tmp_path / "out"
  flags = (f"--images={images}", f"--output={out}")
  result = run(*flags, "--filters=sobel,canny,kirsch")
  assert f"2 images: {out}\n" in result.err
  assert f"Unreadable, left out: 1: {images / 'b.png'}" in result.err
  found = {str(x.relative_to(out)) for x in out.rglob("*.png")}
  assert found == {"a.png", "more/ä.png"}
  image, sobel, canny, kirsch = cells(out / "a.png", (20, 30), 4)
  assert (image[:, :15] == 0).all() and (image[:, 15:] == 255).all()
  at = lambda cell: {*np.flatnonzero(cell[10, :, 0])}
  assert at(sobel) == {14, 15} and len(at(canny)) in (1, 2)
  assert at(kirsch) == {14, 15} and kirsch.max() == 255
  cells(out / "more/ä.png", (31, 17), 4)
  assert "holds results of an earlier call" in run(*flags, code=2).err


def test_a_learned_layer_beside_them(tmp_path, images):
  out = tmp_path / "out"
  flags = (f"--images={images / 'a.png'}", f"--output={out}")
  result = run(*flags, f"--workdir={workdir('classifier')}", "--filters=sobel")
  assert "The last cell: filters of CNN, layer conv1" in result.err
  *_, learned = cells(out / "a.png", (20, 30), 3)
  assert len(np.unique(learned)) > 20


@pytest.mark.parametrize(
  ("flags", "message"),
  [
    (["--images=IMAGES"], "--mode=filter needs --images=IMAGES and --output"),
    (["--output=OUT", "--images=/no/such"], "/no/such does not exist"),
    (
      ["--output=OUT", "--images=IMAGES", "--filters=sobl,canny"],
      "--filters: got 'sobl'; did you mean 'sobel'? Expected one of ident",
    ),
    (
      ["--output=OUT", "--images=IMAGES", "--filters=,"],
      "--filters: got ','; expected some of identity, ",
    ),
    (
      ["--output=OUT", "--images=IMAGES", "--low=0.3"],
      "--high: got 0.2; expected --low, 0.3, or more.",
    ),
    (
      ["--output=OUT", "--images=IMAGES", "--config.steps=3"],
      "--config.KEY is of a workdir's config; give --workdir.",
    ),
    (
      ["--output=OUT", "--images=IMAGES/b.png"],
      "Unreadable, left out: 1: IMAGES/b.png",
    ),
  ],
)
def test_bad_input(tmp_path, images, flags, message):
  place = lambda x: (
    x.replace("IMAGES/", f"{images}/")
    .replace("=IMAGES", f"={images}")
    .replace("OUT", str(tmp_path / "out"))
  )
  code = 0 if "b.png" in message else 2
  result = run(*map(place, flags), code=code)
  expected = message.replace("IMAGES/", f"{images}/")
  assert expected in result.err and not (tmp_path / "out").exists()
