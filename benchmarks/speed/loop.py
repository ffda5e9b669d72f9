"""What the loop and the input pipeline cost beside the bare compiled step.

`python -m benchmarks.speed.loop` prints the rows. The loop is the real one,
`vision_jax.train.run` with a workdir: loader, prefetch, transfer, logs on disk,
signals. The bare step runs on one batch that is already on the device. Both
take turns, and the result is the median of the pairs' differences.
"""

import argparse
import dataclasses
import json
import pathlib
import statistics
import tempfile
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from vision_jax import tuning
from vision_jax.command.environment import set_cache

if TYPE_CHECKING:  # they import jax, which reads the tuning
  from ml_collections import ConfigDict

  from vision_jax.core.types import Batches
  from vision_jax.experiment import Experiment

CONFIG = "configs/classification/cifar10_resnet20.py"
IMAGES = 1024  # in memory
LOG_EVERY = 10
LOADED = 50  # batches whose making is timed


def loop_rows(
  *,
  config: str = CONFIG,
  overrides: Mapping[str, str],
  steps: int = 20,
  pairs: int = 10,
) -> list[dict[str, Any]]:
  """Returns the rows "loop/overhead" and "input/in_memory".

  loop/overhead: `share` is the median over the pairs of loop / bare - 1.
  input/in_memory: `share` is the time that a batch takes to make over a step's.

  Args:
    config: path of what is trained, on made-up data.
    overrides: values to change, as text.
    steps: how many steps count, of each run and each block.
    pairs: number of pairs of a block of bare steps and a run.
  """
  from benchmarks.speed.steps import Running, of_config

  experiment, values = _experiment(config, overrides)
  running = Running(of_config(config, overrides))
  bare = lambda: statistics.mean(running.blocks(steps)["seconds"])
  bare()  # to warm up
  taken = [(bare(), run(experiment, values, steps)) for _ in range(pairs)]
  shares = [loop / alone - 1 for alone, loop in taken]
  step, loop = map(statistics.median, zip(*taken, strict=True))
  with experiment.train_data as data:
    load = loading(data)
  size = values.batch_size
  conditions = {
    "model": pathlib.PurePath(config).stem,
    "batch_size": size,
    "pairs": pairs,
  }
  return [
    {
      "row": "loop/overhead",
      "share": statistics.median(shares),
      "shares": shares,
      "bare_step_ms": 1e3 * step,
      "loop_step_ms": 1e3 * loop,
      **conditions,
    },
    {
      "row": "input/in_memory",
      "share": load / step,
      "batch_ms": 1e3 * load,
      "examples_per_s": size / load,
      "step_ms": 1e3 * step,
      **conditions,
    },
  ]


def _experiment(
  config: str, overrides: Mapping[str, str]
) -> tuple["Experiment", "ConfigDict"]:
  """A config's experiment on made-up data, without evaluations."""
  from benchmarks.speed import steps
  from vision_jax.planning import made_up

  experiment, values = steps.build(config, overrides)
  data = made_up.loader(experiment, values, IMAGES)
  made = dataclasses.replace(experiment, train_data=data, evals={}, best=None)
  return made, values


def run(experiment: "Experiment", values: "ConfigDict", steps: int) -> float:
  """Returns the seconds a step of a run, between two lines of its log.

  Args:
    experiment: what is trained.
    values: the config's.
    steps: between the two lines, after LOG_EVERY that do not count.
  """
  from vision_jax import train

  with tempfile.TemporaryDirectory() as folder:
    train.run(
      experiment,
      folder,
      steps=LOG_EVERY + steps,
      batch_size=values.batch_size,
      accumulate=values.accumulate,
      norm_group=values.norm_group,
      log_every=LOG_EVERY,
      quiet=True,
    )
    text = (pathlib.Path(folder) / "metrics.jsonl").read_text("utf-8")
  lines = map(json.loads, reversed(text.splitlines()))
  at = {line["step"]: line["time"] for line in lines}  # the first of a step
  return (at[LOG_EVERY + steps] - at[LOG_EVERY]) / steps


def loading(data: "Batches") -> float:
  """Returns the seconds that making one batch takes."""
  for step in range(LOADED):
    data.batch(step)
  start = time.perf_counter()
  for step in range(LOADED):
    data.batch(step)
  return (time.perf_counter() - start) / LOADED


def main() -> None:
  """Prints the rows as JSON lines."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument("--config", default=CONFIG)
  parser.add_argument("--overrides", type=json.loads, default={})
  parser.add_argument("--steps", type=int, default=20)
  parser.add_argument("--pairs", type=int, default=10)
  options = parser.parse_args()
  tuning.tune_allocator()
  tuning.tune_convolutions()
  import jax

  tuning.tune_dispatch(jax.config.update)
  with tempfile.TemporaryDirectory() as programs:
    set_cache(programs)  # each run compiles the same step
    for row in loop_rows(**vars(options)):
      print(json.dumps(row), flush=True)


if __name__ == "__main__":
  main()
