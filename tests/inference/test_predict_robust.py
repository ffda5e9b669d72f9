"""Predictions that are stopped, or of odd images: what is left is whole."""

import io
import json
import os
import pathlib
import signal

import numpy as np
import pytest
from PIL import Image

from tests.programs.command import finish, spawn
from tests.programs.halves import halves, run_halves
from vision_jax.data.transforms.image import decode
from vision_jax.errors import UserError
from vision_jax.experiment import Predict
from vision_jax.inference.progress import Progress


class Broken(Exception):
  """What a writer raises half-way."""


def check_whole(output, least, most):
  """Asserts that what a call has left half-way is whole; returns its lines."""
  text = (output / "predictions.jsonl").read_text()
  assert text.endswith("\n")
  lines = [json.loads(line) for line in text.splitlines()]
  assert least <= len(lines) <= most
  for i, line in enumerate(lines):
    assert line["file"].endswith(f"{i:02}.png")
    mask = np.asarray(Image.open(line["mask"]))
    np.testing.assert_array_equal(mask, np.full((6, 5), i))
  for path in (output / "masks").glob("*.png"):
    Image.open(path).load()
  assert not [*output.glob("*.csv"), *output.glob("*.json")]
  return lines


def test_what_is_done_stays_when_a_later_image_fails(tmp_path):
  def stop(file, row, name):
    del row, name
    if file.stem == "09":
      raise Broken

  stop.needs, stop.close = (), lambda: None
  experiment = halves(tmp_path / "in", 12, ("masks", lambda about: stop))
  with pytest.raises(Broken):
    run_halves(experiment, tmp_path / "in", tmp_path / "out")
  check_whole(tmp_path / "out", 9, 9)


KILLED = """
import os, pathlib, signal, sys
from tests.programs.halves import halves, run_halves

def kill(file, row, name):
  if file.stem == "09":
    os.kill(os.getpid(), signal.SIGKILL)

kill.needs, kill.close = (), lambda: None
folder = pathlib.Path(sys.argv[1])
experiment = halves(folder / "in", 12, ("masks", lambda about: kill))
run_halves(experiment, folder / "in", folder / "out")
"""


@pytest.mark.slow
def test_a_kill_leaves_whole_files(tmp_path):
  process = spawn(tmp_path, before=("-c", KILLED))
  assert finish(process).code == -signal.SIGKILL
  check_whole(tmp_path / "out", 9, 9)


def test_odd_names_stay_apart(tmp_path):
  experiment = halves(tmp_path / "in", 1, ("masks", "overlay"))
  image = (tmp_path / "in" / "00.png").read_bytes()
  odd = [
    "a/x.png",
    "b/x.png",
    "Größe é.png",
    "a/b..c.png",
    "日本.png",
    "50%.png",
  ]
  for name in odd:
    path = tmp_path / "in" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(image)
  odd.append(os.fsdecode(b"latin-\xe9.png"))
  try:
    (tmp_path / "in" / odd[-1]).write_bytes(image)
  except OSError:  # of a file system that takes no such bytes
    odd.pop()
  run_halves(experiment, tmp_path / "in" / "a" / "..", tmp_path / "out")
  text = (tmp_path / "out" / "predictions.jsonl").read_text()
  lines = [json.loads(line) for line in text.splitlines()]
  masks = {line["mask"] for line in lines}
  assert len(lines) == len(masks) == len(odd) + 1
  inside = (tmp_path / "out" / "masks").resolve()
  for line in lines:
    assert pathlib.Path(line["mask"]).resolve().is_relative_to(inside)
    assert Image.open(line["mask"]).size == (5, 6)


PIXELS = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
DEEP = PIXELS[..., 0].astype(np.uint16) * 257
EXIF = Image.Exif()
EXIF[274] = 6  # lies on its side
FRAMES = [np.full((20, 30, 3), v, np.uint8) for v in (10, 200, 90)]
ANIMATED = ("gif", "webp", "png", "tif")
KINDS = {  # name -> what is saved there, and the red of its pixels
  "cmyk.jpg": Image.fromarray(PIXELS).convert("CMYK"),
  "cmyk.tif": Image.fromarray(PIXELS).convert("CMYK"),
  "deep.png": Image.fromarray(DEEP),
  "deep.tif": Image.fromarray(DEEP),
  "grey_alpha.png": Image.fromarray(PIXELS[..., :2], "LA"),
  "alpha.png": Image.fromarray(np.concatenate([PIXELS, PIXELS[..., :1]], 2)),
  "palette.png": Image.fromarray(PIXELS).quantize(16),
  "bits.png": Image.fromarray(PIXELS[..., 0] > 127),
}


def test_odd_kinds_of_images_have_masks_of_their_size(tmp_path):
  folder = tmp_path / "in"
  folder.mkdir()
  for name, image in KINDS.items():
    image.save(folder / name)
  Image.fromarray(PIXELS).save(folder / "turned.jpg", exif=EXIF, quality=95)
  Image.fromarray(PIXELS).save(folder / "turned.png", exif=EXIF)
  first, *others = map(Image.fromarray, FRAMES)
  for suffix in ANIMATED:
    first.save(folder / f"a.{suffix}", save_all=True, append_images=others)
  experiment = halves(tmp_path / "none", 0)
  formats = ("masks", "overlay")
  experiment.predict = Predict([decode(3)], (), formats, own_size=True)
  logged = run_halves(experiment, folder, tmp_path / "out")
  text = (tmp_path / "out" / "predictions.jsonl").read_text()
  found = {
    pathlib.Path(line["file"]).name: line
    for line in map(json.loads, text.splitlines())
  }
  assert len(found) == len(KINDS) + 2 + len(ANIMATED)
  for name, line in found.items():
    size = (20, 30) if name.startswith("turned") else (30, 20)
    mask = Image.open(line["mask"])
    assert mask.size == Image.open(line["overlay"]).size == size, name
    red = np.asarray(mask).astype(int)
    if name in ("deep.png", "deep.tif", "grey_alpha.png", "alpha.png"):
      np.testing.assert_array_equal(red, PIXELS[..., 0])
    elif name == "turned.png":
      np.testing.assert_array_equal(red, np.rot90(PIXELS[..., 0], -1))
    elif name.startswith("a."):
      assert abs(red - 10).max() <= 3 and line["frames"] == 3, name
    assert ("frames" in line) == name.startswith("a.")
  (several,) = [line for line in logged if "several images" in line]
  assert several.startswith(f"{len(ANIMATED)} files hold several images, of")


def test_a_folder_of_unreadable_images_names_one(tmp_path):
  experiment = halves(tmp_path / "in", 0)
  (tmp_path / "in" / "a.png").write_bytes(b"")
  with pytest.raises(UserError, match=r"none of its 1 .*a\.png: the file is e"):
    run_halves(experiment, tmp_path / "in", tmp_path / "out")


def test_the_rate_is_without_compilation():
  times = iter([0.0, 5.0, 7.0])
  progress = Progress(40, 20, io.StringIO(), lambda: next(times))
  for _ in range(40):
    progress()
  assert progress.close() == (
    "40 images in 7.0 s: 5.0 s until the first batch was compiled and done, "
    "then 10 images/s."
  )
  times = iter([0.0, 5.0, 7.0])
  progress = Progress(2, 20, io.StringIO(), lambda: next(times))
  progress()
  assert progress.close() == "2 images in 7.0 s, compilation included."


class Terminal(io.StringIO):
  """A stream that is a terminal."""

  def isatty(self):
    return True


@pytest.mark.parametrize(
  ("kind", "drawn"), [(Terminal, True), (io.StringIO, False)]
)
def test_a_bar_is_drawn_on_a_terminal_alone(kind, drawn):
  stream = kind()
  progress = Progress(3, 1, stream)
  for _ in range(3):
    progress()
  progress.close()
  assert ("3/3" in stream.getvalue()) == drawn
  assert bool(stream.getvalue()) == drawn
