"""What every experiment here has to hold: one result, wherever it runs.

An experiment is given as a function that makes it, anew for each run. It runs
as a notebook would run it, by `vision_jax.train.runs.run`.
"""

import contextlib
import dataclasses
import functools
import json
import pathlib
import shutil
import tempfile
from typing import NamedTuple
from unittest import mock

import jax
import numpy as np

from tests.programs.command import (
  ROOT,
  after_step,
  assert_continues,
  assert_same,
  steps,
  terminate,
)
from vision_jax.core import execution
from vision_jax.core.execution import Jit, Pmap
from vision_jax.parallel.tensor import Tensor
from vision_jax.provenance.manifest import NAME
from vision_jax.recipe import recipe
from vision_jax.train.checkpoint.tree import is_key, named
from vision_jax.train.runs import run

STEPS, BATCH = 3, 16
EXECUTIONS = {
  "one": lambda: Jit(devices=jax.devices()[:1]),
  "jit": Jit,
  "fsdp": lambda: Jit({"data": 2, "fsdp": 4}),
  "pmap": Pmap,
  # of nets that have rules for it
  "tensor": lambda: Tensor({"data": 2, "model": 4}),
  "tensor8": lambda: Tensor({"data": 1, "model": 8}),
  "tensor_fsdp": lambda: Tensor({"data": 2, "fsdp": 2, "model": 2}),
}
# Of a weight, and of a metric, that another order of additions leaves. A step
# of Adam divides a gradient by its size, and may need more.
ROUNDING = 3e-5
SPLIT = 2**8  # elements of an array that FSDP splits, so that it has work


def digits(task, **fields):
  """An experiment on digits, a batch of 16, without evaluations.

  Args:
    task: what is learned.
    **fields: of the experiment, in place of those that the config has: SGD with
      momentum for the net "model", and random crops.
  """
  config = ROOT / "configs/classification/digits_cnn.py"
  experiment = recipe.load(f"{config}:tiny").build()
  fields = {"evals": {}, "best": None, "predict": None} | fields
  return dataclasses.replace(experiment, task=task, **fields)


def train(make, where="one", workdir=None, *, stop_at=None, **plan):
  """Trains for `STEPS` steps, or `steps`; returns the `Outcome`.

  Args:
    make: () -> an experiment.
    where: a name out of `EXECUTIONS`.
    workdir: folder of the run; None keeps nothing.
    stop_at: the step after which SIGTERM comes, so that it saves and ends.
    **plan: numbers of `run`, such as accumulate.
  """
  experiment = make()
  stop = contextlib.nullcontext()
  if stop_at is not None:
    stop = after_step(stop_at, terminate)
  with stop, mock.patch.object(execution, "MIN_SHARDED", SPLIT):
    return run(
      experiment,
      workdir,
      batch_size=experiment.train_data.batch_size,
      execution=EXECUTIONS[where](),
      quiet=True,
      **{"steps": STEPS, "log_every": 1} | plan,
    )


def assert_equal_everywhere(
  make, executions=("pmap",), *, rounding=ROUNDING, **plan
):
  """Asserts that a few steps come to one state, and log the same.

  The state is all of it: weights, statistics, optimizers and averages. The
  logs are the last step's, with what its evaluation measures.

  Args:
    make: () -> an experiment.
    executions: names out of `EXECUTIONS`, compared with a run on one device.
      Under pmap a task sees a part of the batch. Under FSDP it sees all of it,
      as on one device: tests/core compares that, for most tasks.
    rounding: how far numbers may differ, relative or absolute.
    **plan: numbers of `run`, such as accumulate.
  """
  expected = whole(make, **plan).result
  for where in executions:
    got = result(train(make, where, **plan))
    try:
      assert_same(got, expected, rounding=rounding)
    except AssertionError as error:
      error.add_note(f"Under {where}.")
      raise


def result(outcome):
  """The arrays of a run's last state, and its metrics, by name."""
  clocks = ("time", "memory", "flops")
  state = {
    "/".join(path): jax.random.key_data(x) if is_key(x) else x
    for path, x in named(outcome.state).items()
  }
  return jax.device_get(state) | {
    name: jax.numpy.asarray(x)
    for name, x in outcome.metrics.items()
    if name.split("/")[0] not in clocks
  }


def assert_resumes(make, tmp_path, *, where="one", **plan):
  """Asserts that a run that goes on ends as one never stopped.

  Bit for bit: every array of the checkpoint and every line of the metrics. It
  goes on from what a crash after the second step leaves: the checkpoint of the
  first, and lines of metrics of both. Signals are the same for all tasks, and
  so is what differs between executions when a state is saved and read: see
  tests/train.

  Args:
    make: () -> an experiment.
    tmp_path: a folder for the run that goes on.
    where: a name out of `EXECUTIONS`.
    **plan: numbers of `run`.
  """
  expected = pathlib.Path(whole(make, where, **plan).folder.name)
  workdir = tmp_path / "resumed"
  shutil.copytree(expected, workdir)
  first, *later = steps(workdir)
  assert later, "It ended after its first step."
  for step in later:
    shutil.rmtree(workdir / "checkpoints" / str(step))
  train(make, where, workdir, **plan)
  began = json.loads((workdir / NAME).read_text())["runs"][-1]["step"]
  assert began == first, "It did not go on, but began anew."
  assert_continues(workdir, expected)


class Whole(NamedTuple):
  """A run that is never stopped: its `result`, and the folder it is in."""

  result: dict[str, np.ndarray]
  folder: tempfile.TemporaryDirectory


@functools.lru_cache(maxsize=1)  # two tests of one `make` follow each other
def whole(make, where="one", **plan):
  """Trains an experiment; keeps the checkpoint of each step."""
  folder = tempfile.TemporaryDirectory()
  kept = {"save_every": 1, "keep_every": 1}
  return Whole(result(train(make, where, folder.name, **kept, **plan)), folder)
