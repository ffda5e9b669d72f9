"""The workdir's lock and manifest."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time

import jax
import numpy as np
import pytest

from vision_jax.errors import UserError
from vision_jax.files import is_remote, replace_text
from vision_jax.provenance import machine, manifest
from vision_jax.provenance.parts import Parts, differences, hash_batch
from vision_jax.train.workdir import WorkdirBusy, claim

HOLD = (
  "import sys, time; from vision_jax.train.workdir import claim\n"
  "with claim(sys.argv[1]):\n"
  "  print('held', flush=True)\n"
  "  time.sleep(60)"
)


@pytest.fixture
def holder(tmp_path):
  """Another process, which holds tmp_path."""
  process = subprocess.Popen(
    [sys.executable, "-c", HOLD, tmp_path], stdout=subprocess.PIPE, text=True
  )
  assert process.stdout.readline() == "held\n"
  yield process
  process.kill()
  process.wait()


def test_a_held_workdir_is_refused(tmp_path, holder):
  for _ in range(2):  # the refusal leaves the holder's lock as it is
    with pytest.raises(WorkdirBusy) as error, claim(tmp_path):
      pytest.fail("claimed twice")
    message = str(error.value)
    assert f"process {holder.pid} on {os.uname().nodename}" in message
    assert str(tmp_path) in message and "Fix:" in message


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_dead_process_holds_nothing(tmp_path, holder, number):
  holder.send_signal(number)
  holder.wait()
  with claim(tmp_path):
    pass


def test_claim_again_after_release(tmp_path):
  for _ in range(2):
    with claim(tmp_path / "new" / "run"):
      pass
  with pytest.raises(RuntimeError, match="x"), claim(tmp_path):
    raise RuntimeError("x")
  with claim(tmp_path):
    pass


def test_remote_paths_have_no_lock(tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  with claim("gs://bucket/run"), claim("gs://bucket/run"):
    pass
  assert list(tmp_path.iterdir()) == []
  assert is_remote("gs://bucket/run") and not is_remote(tmp_path)


def test_replace_text_survives_a_kill(tmp_path):
  """A reader sees a whole text at any time, and after a SIGKILL."""
  code = (
    "import sys; from vision_jax.files import replace_text\n"
    "for i in range(10**9): replace_text(sys.argv[1], str(i % 10) * 100_000)"
  )
  path = tmp_path / "x"
  process = subprocess.Popen([sys.executable, "-c", code, path])
  while not path.exists():
    time.sleep(0.01)
  for _ in range(200):
    assert len(path.read_text()) == 100_000
  process.kill()
  process.wait()
  assert len(set(path.read_text())) == 1
  replace_text(path, "after")
  assert path.read_text() == "after"


def test_manifest_lists_every_run(tmp_path):
  for step in (0, 7):
    entry = manifest.describe_run(Parts({"train": "abc"}), step)
    manifest.append_run(tmp_path / "run", entry)
  runs = json.loads((tmp_path / "run" / "manifest.json").read_text())["runs"]
  assert [run["step"] for run in runs] == [0, 7]
  run = runs[1]
  assert run["data"] == {"train": "abc"}
  assert run["packages"]["jax"] == jax.__version__
  assert set(run["packages"]) >= {"jaxlib", "flax", "optax", "numpy"}
  assert run["devices"]["count"] == jax.device_count()
  assert run["devices"]["kind"] == jax.devices()[0].device_kind
  assert run["command"].startswith("python ")
  assert run["cpu"] and run["cores"] >= 1 and run["python"] and run["started"]


def lines(workdir, now, **strict):
  logged = []
  manifest.log_differences(workdir, now, logged.append, **strict)
  return logged


def test_what_is_not_the_last_runs_is_logged_in_one_line(tmp_path):
  then = Parts(
    data={"train": "a", "val": "b"},
    batches={"train": "c", "val": "d"},
    files={"mine.py": "e", "x.py": "f", "y.py": "g"},
  )
  assert lines(tmp_path, then) == []  # no run yet
  manifest.append_run(tmp_path, {"step": 4} | dataclasses.asdict(then))
  assert lines(tmp_path, then) == lines(tmp_path, Parts()) == []
  now = Parts(
    data={"val": "new", "test": "x"},
    batches={"val": "new", "train": "new"},
    files={"mine.py": "new", "x.py": "f", "z.py": "h"},
  )
  assert differences(manifest.last_run(tmp_path), now) == [
    "the files of the data 'val'",
    "the first batch of 'train'",
    "mine.py",
    "y.py (gone)",
  ]
  (line,) = lines(tmp_path, now)
  assert line == (
    f"Not as in the run from step 4 of {tmp_path}: the files of the data "
    "'val', the first batch of 'train', mine.py and 1 more. Metrics before "
    "and after do not compare (--strict refuses)."
  )
  with pytest.raises(UserError, match=r"^--strict: Not as in the run f"):
    lines(tmp_path, now, strict=True)
  manifest.append_run(tmp_path, {"step": 6} | dataclasses.asdict(now))
  assert lines(tmp_path, now, strict=True) == []  # it was logged


@pytest.mark.parametrize("entry", [{"step": 0}, {"files": 3, "data": None}, []])
def test_what_an_earlier_run_does_not_name_is_as_it_was(tmp_path, entry):
  manifest.append_run(tmp_path, dict(entry))
  assert (
    lines(tmp_path, Parts({"train": "a"}, {"train": "b"}, {"c": "d"})) == []
  )
  (tmp_path / "manifest.json").write_text('{"runs": [')
  assert lines(tmp_path, Parts({"train": "a"})) == []


def test_a_batch_is_known_by_its_values_names_and_types():
  batch = {"image": np.zeros((2, 3), np.uint8), "mask": np.ones(2)}
  others = [
    batch | {"image": batch["image"].astype(np.int8)},
    batch | {"image": batch["image"].reshape(3, 2)},
    batch | {"image": batch["image"] + 1},
    {"images": batch["image"], "mask": batch["mask"]},
  ]
  hashes = {hash_batch(x) for x in (batch, *others)}
  assert len(hashes) == 5
  turned = {"mask": batch["mask"], "image": np.zeros((3, 2), np.uint8).T}
  assert hash_batch(turned) == hash_batch(batch)


def test_damaged_manifest_is_set_aside(tmp_path):
  (tmp_path / "manifest.json").write_text('{"runs": [')
  manifest.append_run(tmp_path, {"step": 1})
  text = (tmp_path / "manifest.json").read_text()
  assert json.loads(text) == {"runs": [{"step": 1}]}
  assert (tmp_path / "manifest.json.damaged").read_text() == '{"runs": ['


def test_git_state(tmp_path):
  def git(*args):
    who = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
    command = ["git", *who, "-C", str(tmp_path), *args]
    subprocess.run(command, check=True, capture_output=True)

  assert machine.git_state(tmp_path / "absent") is None
  git("init")
  inside = tmp_path / "installed"
  inside.mkdir()
  (inside / "a.py").write_text("1")
  assert machine.git_state(inside) is None  # in a repository, not of it
  git("add", "installed/a.py")
  git("commit", "-m", "x")
  clean = machine.git_state(inside)
  assert len(clean["commit"]) == 40 and not clean["dirty"]
  (inside / "a.py").write_text("2")
  assert machine.git_state(inside) == {**clean, "dirty": True}
