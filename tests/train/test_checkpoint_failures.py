"""Saves that are killed, that find a full disk, and runs in two processes."""

import json
import os
import signal
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.programs.command import PATIENCE, ROOT, free_port
from vision_jax.train.checkpoint.checkpoints import Checkpoints

PROGRAM = ("-m", "tests.programs.checkpoint")


def start(*args, devices=1, **options):
  """Starts tests/programs/checkpoint.py on so many devices."""
  return subprocess.Popen(
    [sys.executable, *PROGRAM, *map(str, args)],
    env=os.environ | {"JAX_NUM_CPU_DEVICES": str(devices)},
    cwd=ROOT,
    text=True,
    stdout=subprocess.PIPE,
    **options,
  )


def expected(step):
  """What the program saves at a step."""
  return np.random.default_rng(step).standard_normal((8, 250_000), np.float32)


@pytest.mark.parametrize("reads", [2, 3, 5])
def test_killed_in_the_middle_of_a_save(tmp_path, reads):
  process = start("save_forever", tmp_path)
  steps = [int(process.stdout.readline()) for _ in range(reads)]
  process.send_signal(signal.SIGKILL)  # the save of steps[-1] is under way
  process.wait()
  with Checkpoints(tmp_path, best=None) as checkpoints:
    assert checkpoints.latest in steps[-2:]
    step = checkpoints.latest
    target = {"x": jnp.zeros((8, 250_000)), "key": jax.random.key(0)}
    state, extra = checkpoints.restore(target)
    np.testing.assert_array_equal(state["x"], expected(step))
    assert extra == {"seed": step}
    assert checkpoints.damaged == ()
    assert os.listdir(tmp_path) == [str(step)]  # nothing half-written is left
    assert checkpoints.save(step + 1, target)


def test_full_disk(tmp_path):
  process = start("full_disk", tmp_path, stderr=subprocess.PIPE)
  out, err = process.communicate(timeout=PATIENCE)
  assert process.returncode == 0, err
  report = json.loads(out)
  assert len(report["errors"]) == 2
  for step, message in report["errors"].items():
    assert message.startswith(f"saving step {step} to {tmp_path} failed: ")
    assert "File too large (EFBIG); step 1 is the last good" in message
    assert "Fix: free space" in message
  assert report["left"] == ["1"]
  assert report["restored"] == 1
  assert report["later"] == [1, 9]  # with space again the same run goes on
  assert "Traceback" not in err


def run_two(*args):
  port = free_port()
  both = [
    start(*args, port, i, devices=2, stderr=subprocess.PIPE) for i in (0, 1)
  ]
  outputs = [process.communicate(timeout=PATIENCE) for process in both]
  for process, (_, err) in zip(both, outputs, strict=True):
    assert process.returncode == 0, err[-3000:]
  return [json.loads(out.splitlines()[-1]) for out, _ in outputs]


@pytest.mark.slow
@pytest.mark.parametrize("damage", [False, True], ids=["whole", "damaged"])
def test_two_processes_save_and_restore(tmp_path, damage):
  run_two("two_save", tmp_path)
  if damage:
    (tmp_path / "5" / "state" / "_METADATA").write_text("{")
  reports = run_two("two_restore", tmp_path)
  step = 3 if damage else 5
  for report in reports:
    assert report["step"] == step
    assert report["damaged"] == ([5] if damage else [])
    assert report["exact"]
  with Checkpoints(tmp_path) as checkpoints:  # one process, one device
    target = {"x": jnp.zeros((8, 250_000)), "key": jax.random.key(0)}
    state, _ = checkpoints.restore(target)
  np.testing.assert_array_equal(state["x"], expected(step))
  assert jnp.array_equal(
    jax.random.key_data(state["key"]), jax.random.key_data(jax.random.key(step))
  )
