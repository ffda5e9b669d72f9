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
