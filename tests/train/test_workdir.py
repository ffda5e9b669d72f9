"""The workdir's lock and manifest."""

import json
import os
import signal
import subprocess
import sys
import time

import jax
import pytest

from vision_jax.files import is_remote, replace_text
from vision_jax.train.log import machine, manifest
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
    entry = manifest.describe_run(data={"train": "abc"}, step=step)
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


def test_data_that_are_not_the_last_runs_are_told(tmp_path):
  data = {"train": "abc", "val": "def"}
  assert manifest.data_changes(tmp_path, data) == []  # no run yet
  manifest.append_run(tmp_path, {"step": 0, "data": data})
  assert manifest.data_changes(tmp_path, data) == []
  (told,) = manifest.data_changes(tmp_path, data | {"val": "new", "test": "x"})
  assert told.startswith(
    "The data 'val' have changed since the run from step 0"
  )
  assert "fingerprint def then, new now" in told
  manifest.append_run(tmp_path, {"step": 3, "data": data | {"val": "new"}})
  assert manifest.data_changes(tmp_path, data | {"val": "new"}) == []  # told
  (tmp_path / "manifest.json").write_text('{"runs": [')
  assert manifest.data_changes(tmp_path, data) == []


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
