"""Files that we write: whole, never through a link, JSON without NaN."""

import json
import math
import os
import subprocess
import sys

import numpy as np
import pytest

from benchmarks import lines
from benchmarks.accelerator.journal import Journal
from tests.programs.command import PATIENCE, ROOT
from vision_jax.data.sources.coco_results import write_json
from vision_jax.errors import UserError
from vision_jax.files import add_line, open_own, replace_text, to_json
from vision_jax.inference.predict import WRITTEN
from vision_jax.provenance import manifest
from vision_jax.report.tensorboard import TensorBoard
from vision_jax.train.log.metrics_file import MetricsFile
from vision_jax.train.workdir import claim
from vision_jax.viz.png import write_png
from vision_jax.writers.folder import check_fresh


def write_samples(folder):
  import pathlib

  from vision_jax.writers.images import write_images

  write_images(
    pathlib.Path(folder), {"image": np.zeros((1, 4, 4, 3), np.uint8)}, 1
  )


def take(folder):
  with claim(folder):
    pass


# What writes into a folder -> the names that it writes there.
WRITERS = {
  "replace_text": (
    lambda folder: replace_text(folder / "config.json", "{}"),
    ("config.json", "config.json.new"),
  ),
  "manifest": (
    lambda folder: manifest.append_run(folder, {"step": 1}),
    ("manifest.json.new",),
  ),
  "evaluation": (
    lambda folder: add_line(folder / "evaluations.jsonl", "{}"),
    ("evaluations.jsonl",),
  ),
  "claim": (take, (".lock",)),
  "metrics": (
    lambda folder: MetricsFile(folder).write(1, {"x": 1.0}),
    ("metrics.jsonl",),
  ),
  "png": (
    lambda folder: write_png(folder / "1.png", np.zeros((2, 2), np.uint8)),
    ("1.png", "1.png.new"),
  ),
  "coco": (
    lambda folder: write_json(folder / "results.json", []),
    ("results.json",),
  ),
  "lines of results": (
    lambda folder: lines.write([], folder / "results.jsonl"),
    ("results.jsonl", "results.jsonl.new"),
  ),
  "journal": (
    lambda folder: Journal(folder).add({"stage": "s", "name": "n"}),
    ("results.jsonl",),
  ),
  "samples": (write_samples, ("grid.png", "00000.png", "samples.npz")),
}


@pytest.mark.parametrize("writer", WRITERS)
def test_no_writer_follows_a_link(tmp_path, writer):
  """The victim stays as it is, whether the link is replaced or refused."""
  write, names = WRITERS[writer]
  victim, home = tmp_path / "victim", tmp_path / "home"
  victim.write_text("precious")
  home.mkdir()
  for name in names:
    (home / name).symlink_to(victim)
  (tmp_path / "linked").symlink_to(home)  # the folder itself may be a link
  try:
    write(tmp_path / "linked")
  except UserError as error:
    assert "is a link, to " in str(error) and "Remove the link" in str(error)
  else:
    assert not any((home / n).is_symlink() for n in names), os.listdir(home)
  assert victim.read_text() == "precious"


@pytest.mark.parametrize("name", ["masks", "overlays"])
def test_results_do_not_go_through_a_linked_folder(tmp_path, name):
  """An image's name in it is that of an image somewhere else."""
  (tmp_path / "output").mkdir()
  (tmp_path / "output" / name).symlink_to(tmp_path / "photos")
  with pytest.raises(UserError, match=rf"results of an earlier call \({name}"):
    check_fresh(tmp_path / "output", WRITTEN)


def test_a_dangling_link_makes_no_file(tmp_path):
  (tmp_path / "evaluations.jsonl").symlink_to(tmp_path / "elsewhere")
  with pytest.raises(UserError, match=r"evaluations\.jsonl: is a link, to"):
    add_line(tmp_path / "evaluations.jsonl", "{}")
  assert not (tmp_path / "elsewhere").exists()


def test_events_are_written_into_a_new_file(tmp_path, monkeypatch):
  victim = tmp_path / "victim"
  victim.write_text("precious")
  monkeypatch.setattr("time.time", lambda: 1.0)
  name = f"events.out.tfevents.1.{os.getpid()}"
  (tmp_path / name).symlink_to(victim)
  events = TensorBoard(tmp_path)
  events.write(1, {"x": 1.0})
  events.close()
  assert victim.read_text() == "precious"
  assert (tmp_path / name).stat().st_size > 20


def test_what_a_kill_has_left_is_no_obstacle(tmp_path):
  (tmp_path / "x.new").write_text("half of")
  replace_text(tmp_path / "x", "whole")
  assert (tmp_path / "x").read_text() == "whole"
  assert os.listdir(tmp_path) == ["x"]


ADD = (
  "import sys; from vision_jax.files import add_line\n"
  "for i in range(200): add_line(sys.argv[1], sys.argv[2] * 5000)"
)


def test_lines_of_several_processes_stay_whole(tmp_path):
  """Also after a line that a kill has torn."""
  path = tmp_path / "evaluations.jsonl"
  path.write_text("torn")
  both = [
    subprocess.Popen([sys.executable, "-c", ADD, path, x], cwd=ROOT)
    for x in "ab"
  ]
  assert [process.wait(PATIENCE) for process in both] == [0, 0]
  lines = path.read_text().splitlines()
  assert lines[0] == "torn"
  assert sorted(lines[1:]) == ["a" * 5000] * 200 + ["b" * 5000] * 200


def test_json_has_no_nan(tmp_path):
  value = {"a": math.nan, "b": [1.0, -math.inf, (2, math.inf)], "c": "NaN"}
  text = to_json(value)
  assert json.loads(text) == {
    "a": None,
    "b": [1.0, None, [2, None]],
    "c": "NaN",
  }
  with pytest.raises(TypeError):
    to_json({"x": object()})
  write_json(tmp_path / "r.json", [{"score": math.nan, "bbox": []}])
  assert json.loads((tmp_path / "r.json").read_text())[0]["score"] is None


def test_an_own_file_is_read_and_appended_to(tmp_path):
  for text in ("a", "b"):
    with open_own(tmp_path / "x") as file:
      file.write(text)
  assert (tmp_path / "x").read_text() == "ab"
