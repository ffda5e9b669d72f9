"""`--mode=search`: the images most like one image."""

import csv

import numpy as np
import pytest
from PIL import Image

from tests.export.trained import workdir
from tests.programs.command import call
from vision_jax.transfer.nearest import nearest


@pytest.fixture
def images(tmp_path):
  """Bright stripes, brighter from 0 to 5, noise, and one that is none."""
  folder = tmp_path / "images"
  (folder / "more").mkdir(parents=True)
  rng = np.random.default_rng(0)
  for number in range(6):
    pixels = rng.normal(0, 6 * number, (20, 30)) + 100
    pixels[:, ::4] += 100
    save(folder / f"{number}.png", pixels)
  save(folder / "more/ä.jpg", rng.uniform(0, 255, (31, 17, 3)))
  (folder / "bad.png").write_text("no image")
  return folder


def save(path, pixels):
  Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path)


def run(*flags, code=0):
  result = call("--mode=search", *flags, devices=1)
  assert result.code == code, result.err
  return result


def test_without_a_net_pixels_are_compared(tmp_path, images):
  out = tmp_path / "out"
  flags = (f"--query={images / '0.png'}", f"--images={images}")
  result = run(*flags, "--neighbours=6", f"--output={out}")
  head, *lines = result.out.splitlines()
  assert head.split() == ["rank", "cosine", "image"]
  found = [line.split() for line in lines]
  expected = [images / f"{i}.png" for i in range(1, 6)] + [
    images / "more/ä.jpg"
  ]
  assert [x[2] for x in found] == [*map(str, expected)]
  assert [x[0] for x in found] == [str(i) for i in range(1, 7)]
  cosine = [float(x[1]) for x in found]
  assert cosine == sorted(cosine, reverse=True)
  assert 0.9 < cosine[0] <= 1 and abs(cosine[-1]) < 0.3
  assert "Of 6 images; written: " in result.err
  assert f"The query itself, left out: 1: {images / '0.png'}" in result.err
  assert f"Unreadable, left out: 1: {images / 'bad.png'}" in result.err
  with open(out / "search.csv", encoding="utf-8") as file:
    assert [x["image"] for x in csv.DictReader(file)] == [x[2] for x in found]
  sheet = np.asarray(Image.open(out / "search.png"))
  assert sheet.shape[1] == 6 * 162 - 2 and len(np.unique(sheet)) > 50


def test_a_nets_features_are_compared(tmp_path, images):
  query = tmp_path / "query.png"
  query.write_bytes((images / "3.png").read_bytes())
  flags = (f"--query={query}", f"--images={images}", "--neighbours=2")
  flags += (f"--workdir={workdir('classifier')}", f"--output={tmp_path / 'o'}")
  for more in ((), ("--layer=conv1",)):
    first = run(*flags, *more).out.splitlines()[1].split()
    assert first == ["1", "1.0000", str(images / "3.png")]
  assert "conv9" in run(*flags, "--layer=conv9", code=2).err


@pytest.mark.parametrize(
  ("flags", "message"),
  [
    (["--images=IMAGES"], "--mode=search needs --query=IMAGE and --images="),
    (
      ["--query=IMAGES", "--images=IMAGES"],
      "--query: IMAGES is a folder; expected one image, out of ",
    ),
    (
      ["--query=IMAGES/no.png", "--images=IMAGES"],
      "--query: IMAGES/no.png does not exist; expected one image",
    ),
    (
      ["--query=IMAGES/bad.png", "--images=IMAGES"],
      "--query: IMAGES/bad.png cannot be read (",
    ),
    (
      ["--query=IMAGES/0.png", "--images=EMPTY"],
      "the folder EMPTY has no images; expected at least one of",
    ),
    (
      ["--query=IMAGES/0.png", "--images=IMAGES/0.png"],
      "--images: IMAGES/0.png has no images besides the query; expected some",
    ),
    (
      ["--query=IMAGES/0.png", "--images=IMAGES", "--neighbours=7"],
      "--neighbours: got 7, and IMAGES has 6 images that can be read; expected "
      "at most as many. Pass --neighbours=6",
    ),
    (
      ["--query=IMAGES/0.png", "--images=IMAGES/bad.png", "--neighbours=1"],
      "source: none of its 1 images can be decoded; IMAGES/bad.png: ",
    ),
    (
      ["--query=IMAGES/0.png", "--images=IMAGES", "--layer=conv1"],
      "--layer and --config.KEY are of a workdir's net; give --workdir.",
    ),
  ],
)
def test_bad_input(tmp_path, images, flags, message):
  (tmp_path / "empty").mkdir()
  places = {"IMAGES": str(images), "EMPTY": str(tmp_path / "empty")}

  def place(text):
    for name, folder in places.items():
      text = text.replace(f"={name}", f"={folder}").replace(
        f" {name}", f" {folder}"
      )
    return text

  output = f"--output={tmp_path / 'out'}"
  result = run(*map(place, flags), output, code=2)
  assert place(f" {message}")[1:] in result.err
  assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("block", [7, 50, 1000])
def test_nearest_are_exact_whatever_the_blocks(block):
  rng = np.random.default_rng(0)
  gallery = rng.normal(size=(50, 6)).astype(np.float32)
  gallery[30] = 2 * gallery[11]  # as near: the first goes first
  queries = np.stack([gallery[30], rng.normal(size=6)])
  cosine, place = nearest(queries, gallery, 9, block)
  unit = lambda x: x / np.linalg.norm(x, axis=1, keepdims=True)
  every = np.round(unit(queries) @ unit(gallery).T, 6)
  expected = np.argsort(-every, axis=1, kind="stable")[:, :9]
  np.testing.assert_array_equal(place, expected)
  assert place[0, :2].tolist() == [11, 30]
  np.testing.assert_allclose(
    cosine, np.take_along_axis(every, expected, 1), atol=2e-6
  )
