"""Runs the command as tests need it: in this process, or in others."""

import contextlib
import dataclasses
import io
import json
import os
import pathlib
import resource
import signal
import socket
import subprocess
import sys
import time
from unittest import mock

import jax
import numpy as np

from vision_jax import main
from vision_jax.core import execution
from vision_jax.train.checkpoint.reading import StoredState
from vision_jax.train.stop import Stop

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BLOBS = "tests/programs/blobs.py"
# Seconds after which a process is taken to hang, however busy the machine is.
PATIENCE = 1200
# Set, so that in this process the command leaves the allocator as it is.
UNTUNED = {"MALLOC_ARENA_MAX": "8"}


@dataclasses.dataclass(frozen=True)
class Result:
  """How a command ended."""

  code: int
  out: str
  err: str


def call(*flags, devices=None, stop_at=None, cwd=ROOT, env=None):
  """Runs the command in this process, on so many of its devices.

  Args:
    flags: of the command.
    devices: how many; all of them by default.
    stop_at: the step after which SIGTERM comes.
    cwd: the working folder.
    env: variables to set.
  """
  out, err = io.StringIO(), io.StringIO()
  jax.devices()  # the backend starts with the environment of all other tests
  with contextlib.ExitStack() as stack:
    stack.enter_context(mock.patch.dict(os.environ, UNTUNED | (env or {})))
    stack.enter_context(contextlib.chdir(cwd))
    stack.enter_context(contextlib.redirect_stdout(out))
    stack.enter_context(contextlib.redirect_stderr(err))
    if devices is not None:
      some = jax.devices()[:devices]
      for name, value in (("devices", some), ("device_count", devices)):
        patch = lambda value=value: value
        stack.enter_context(mock.patch.object(execution.jax, name, patch))
    if stop_at is not None:
      stack.enter_context(after_step(stop_at, terminate))
    code = main.main([str(flag) for flag in flags])
  return Result(code, out.getvalue(), err.getvalue())


def terminate():
  """Sends SIGTERM to this process."""
  signal.raise_signal(signal.SIGTERM)


def after_step(number, action):
  """While it lasts, a run does `action()` once so many steps are under way."""
  before = Stop.__call__

  def after(self, step=None):
    if step == number:
      action()
    return before(self, step)

  return mock.patch.object(Stop, "__call__", after)


def train(workdir, *flags, config=BLOBS, code=0, **options):
  """Trains the small config in this process; checks the exit code."""
  result = call(f"--config={config}", f"--workdir={workdir}", *flags, **options)
  assert result.code == code, result.err
  return result


def spawn(*flags, devices=1, env=None, before=()):
  """Starts the command in a process of its own, which compiles cheaply too.

  Args:
    flags: of the command.
    devices: of its CPU.
    env: variables to set.
    before: arguments of python before `-m`; the module by default.
  """
  environment = os.environ | {"JAX_NUM_CPU_DEVICES": str(devices)}
  return subprocess.Popen(
    [sys.executable, *(before or ("-m", "vision_jax.main")), *map(str, flags)],
    env=environment | (env or {}),
    cwd=ROOT,
    text=True,
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
  )


def wait_for(path, process):
  """Waits until a process has written a file."""
  end = time.monotonic() + PATIENCE
  while not path.exists():
    assert process.poll() is None, process.communicate()[1]
    assert time.monotonic() < end, f"no {path} after {PATIENCE} s"
    time.sleep(0.02)


def finish(process):
  """Waits for a process; kills it once it is taken to hang."""
  try:
    out, err = process.communicate(timeout=PATIENCE)
  except subprocess.TimeoutExpired:
    process.kill()
    out, err = process.communicate()
    raise AssertionError(f"still runs after {PATIENCE} s:\n{err}") from None
  return Result(process.returncode, out, err)


def seconds_of_children():
  """Returns the CPU seconds of the processes that have ended."""
  used = resource.getrusage(resource.RUSAGE_CHILDREN)
  return used.ru_utime + used.ru_stime


def free_port():
  """Returns a port that nobody listens on."""
  with socket.socket() as s:
    s.bind(("127.0.0.1", 0))
    return s.getsockname()[1]


def stored(workdir, step=None):
  """Returns every array of a checkpoint by name; the newest by default."""
  folder = pathlib.Path(workdir) / "checkpoints"
  step = steps(workdir)[-1] if step is None else step
  state = StoredState(folder / str(step))
  here = jax.sharding.SingleDeviceSharding(jax.devices()[0])
  wanted = {
    path: jax.ShapeDtypeStruct(tuple(x.shape), x.dtype, sharding=here)
    for path, x in state.tree.items()
  }
  return {"/".join(p): np.asarray(x) for p, x in state.read(wanted).items()}


def steps(workdir):
  """Returns the steps with a checkpoint."""
  folder = pathlib.Path(workdir) / "checkpoints"
  return sorted(int(p.name) for p in folder.iterdir() if p.name.isdigit())


def metrics(workdir, *, without=("time", "memory", "flops")):
  """Returns the lines of metrics.jsonl, without what a clock has measured."""
  text = (pathlib.Path(workdir) / "metrics.jsonl").read_text()
  return [
    {
      k: x
      for k, x in json.loads(line).items()
      if k.split("/")[0] not in without
    }
    for line in text.splitlines()
  ]


def assert_same(got, expected, *, rounding=0.0):
  """Asserts that two checkpoints are equal, bit for bit by default."""
  assert got.keys() == expected.keys()
  for name, x in expected.items():
    if rounding and np.issubdtype(x.dtype, np.floating):
      np.testing.assert_allclose(
        got[name], x, rtol=rounding, atol=rounding, err_msg=name
      )
    else:
      np.testing.assert_array_equal(got[name], x, err_msg=name)


def by_step(workdir):
  """Returns each step's metrics of a run, of whatever lines they are."""
  found = {}
  for line in metrics(workdir):
    step = found.setdefault(line["step"], {})
    assert not (step.keys() & line.keys()) - {"step"}, "metrics logged twice"
    step |= line
  return found


def assert_continues(workdir, expected):
  """Asserts that a workdir's run is the expected one, logged once."""
  assert_same(stored(workdir), stored(expected))
  numbers = [line["step"] for line in metrics(workdir)]
  assert numbers == sorted(numbers)
  got = by_step(workdir)
  for line in metrics(expected):
    assert {k: got[line["step"]][k] for k in line} == line
