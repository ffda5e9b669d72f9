"""Times are those of a run: as far ahead as the loop, of the loop itself."""

import dataclasses
import json
import os
import subprocess
import sys

import jax
import pytest

from benchmarks.speed import loop, saving, steps, table, timing
from vision_jax import train
from vision_jax.core.state import joined
from vision_jax.core.types import Mean, Objective
from vision_jax.experiment import Weights
from vision_jax.planning import made_up
from vision_jax.recipe import recipe
from vision_jax.tasks.classification import Classification
from vision_jax.tasks.net import Net
from vision_jax.train.loop import IN_FLIGHT

CONFIG = "configs/classification/mnist_lenet.py"
SMALL = {"batch_size": "8"}


class Work:
  """Calls that are finished when they are waited for, and not before."""

  def __init__(self):
    self.sent, self.done, self.most = 0, set(), 0

  def __call__(self):
    self.sent += 1
    self.most = max(self.most, self.sent - len(self.done))
    return self.sent

  def wait(self, numbers):
    self.done |= {numbers} if isinstance(numbers, int) else set(numbers)


@pytest.mark.parametrize("size", [1, IN_FLIGHT, 20])
def test_a_block_runs_as_far_ahead_as_the_loop(size, monkeypatch):
  work = Work()
  monkeypatch.setattr(jax, "block_until_ready", work.wait)
  found = timing.block(work, size)
  # The loop dispatches a step, and then waits until IN_FLIGHT are left.
  assert work.most == min(size, IN_FLIGHT + 1)
  assert work.done == set(range(1, size + 1))
  assert 0 < found.dispatch < found.seconds


def test_steps_are_timed_in_blocks_of_a_size(monkeypatch):
  sizes = []
  took = timing.Block(2.0, 0.5)
  monkeypatch.setattr(steps, "block", lambda call, n: sizes.append(n) or took)
  running = object.__new__(steps.Running)
  found = running.blocks(2 * timing.BLOCK + 3)
  assert sizes == [timing.BLOCK, timing.BLOCK, 3]
  assert found == {"seconds": [2.0] * 3, "dispatch": [0.5] * 3}


def test_made_up_data_are_of_any_number():
  experiment, config = steps.build(CONFIG, SMALL)
  data = made_up.loader(experiment, config, 16)
  batch = data.batch(0)
  assert batch["image"].shape == (8, 28, 28, 1)
  assert {*batch["index"]} | {*data.batch(1)["index"]} == {*range(16)}


def test_a_run_is_timed_between_two_lines_of_its_log(monkeypatch):
  """Neither its first steps count, nor what follows the last."""
  planned = {}

  def run(experiment, workdir, **plan):
    planned.update(plan)
    lines = [(1, 0.0), (10, 100.0), (20, 130.0), (30, 160.0), (30, 999.0)]
    text = "".join(json.dumps({"step": s, "time": t}) + "\n" for s, t in lines)
    with open(f"{workdir}/metrics.jsonl", "w") as file:
      file.write(text)

  monkeypatch.setattr(train, "run", run, raising=False)
  _, values = steps.build(CONFIG, SMALL)
  assert loop.run(None, values, 20) == 3.0
  assert planned["steps"] == 30 and planned["log_every"] == 10


@pytest.mark.slow
def test_the_loop_is_timed_beside_the_bare_step():
  rows = loop.loop_rows(config=CONFIG, overrides=SMALL, steps=2, pairs=2)
  assert [row["row"] for row in rows] == ["loop/overhead", "input/in_memory"]
  overhead, load = rows
  assert overhead["model"] == "mnist_lenet" and overhead["batch_size"] == 8
  assert overhead["loop_step_ms"] > 0 and len(overhead["shares"]) == 2
  assert load["examples_per_s"] == pytest.approx(8e3 / load["batch_ms"])


def test_the_wait_for_a_checkpoint_is_beside_a_copys():
  (row,) = saving.saving_rows(4, turns=1)
  assert row["seconds"] >= row["best_seconds"] > 0 < row["copy_seconds"]
  assert "4 MiB in 8 arrays, which numpy copies at best in" in table.line(row)


@pytest.mark.slow
def test_a_checkpoint_costs_the_loop_a_copy_and_little_more():
  """CPU time against CPU time, whatever else the machine does.

  In a process as the command's, which keeps freed memory: new memory costs
  either copy more than the copying, and not the same.
  """
  command = ["-m", "benchmarks.speed.saving", "--megabytes=256", "--turns=3"]
  environment = {k: v for k, v in os.environ.items() if k[:7] != "MALLOC_"}
  child = subprocess.run(
    [sys.executable, *command],
    env=environment | {"JAX_PLATFORMS": "cpu", "JAX_NUM_CPU_DEVICES": "1"},
    check=True,
    capture_output=True,
    text=True,
  )
  row = json.loads(child.stdout)
  assert 0 < row["cpu_seconds"] < 2 * row["copy_cpu_seconds"]


def test_a_step_with_a_fixed_net_is_timed_without_its_file(monkeypatch):
  loaded = recipe.load("configs/classification/digits_cnn.py:tiny")
  task = _Taught(loaded.build().task.model)
  experiment = dataclasses.replace(
    loaded.build(), task=task, fixed={"teacher": Weights("not/there")}
  )
  monkeypatch.setattr(steps, "build", lambda *_: (experiment, loaded.config))
  program = steps.of_config("taught")
  assert "teacher" not in program.state.params
  assert steps.Running(program).blocks(1)["seconds"][0] > 0


class _Taught(Classification):
  """Learns what a fixed net of its own kind says."""

  def init(self, key, batch):
    own, teacher = (
      Net(self.model, name).init(key, batch["image"])
      for name in ("model", "teacher")
    )
    return joined(own, teacher)

  @property
  def objectives(self):
    return (Objective("model", self.taught, {"cross_entropy": 1.0}),)

  def taught(self, params, stats, batch, key, *, step, train):
    image, teacher = batch["image"], Net(self.model, "teacher")
    label = jax.nn.softmax(teacher.given(params, stats)(image, train=False))
    logits, stats = self.net.run(params, stats, image, key=key, train=train)
    values = self.loss(logits, label)
    return {"cross_entropy": Mean.of(values, batch["mask"])}, stats
