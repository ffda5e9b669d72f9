"""What the loop and the input pipeline cost beside the bare compiled step.

`python -m benchmarks.speed.loop` prints the rows. The loop that is measured is
the real one: loader, prefetch, transfer, logs on disk, progress, signals. The
bare step runs on one batch that is already on the device. Both take turns, and
the figure is the median of the pairs' differences.
"""

import argparse
import contextlib
import io
import json
import statistics
import tempfile
import time
from typing import Any

from vision_jax import tuning
from vision_jax.train.log.progress import Progress

IMAGES = 1024  # in memory, CIFAR-10's shape
WARM = 3  # steps before the first that counts


def loop_rows(
  *,
  model: str = "resnet20",
  batch_size: int = 128,
  steps: int = 20,
  pairs: int = 10,
) -> list[dict[str, Any]]:
  """Returns the rows "loop/overhead" and "input/in_memory".

  loop/overhead: `share` is the median over the pairs of loop / bare - 1.
  input/in_memory: `share` is the time that a batch takes to make over a step's.
  """
  bench = _Bench(model, batch_size, steps)
  bare, loop = [], []
  bench.bare()  # to warm up
  for _ in range(pairs):
    bare.append(bench.bare())
    loop.append(bench.loop())
  shares = [b / a - 1 for a, b in zip(bare, loop, strict=True)]
  step = statistics.median(bare)
  load = bench.loading()
  conditions = {"model": model, "batch_size": batch_size, "pairs": pairs}
  return [
    {
      "row": "loop/overhead",
      "share": statistics.median(shares),
      "shares": shares,
      "bare_step_ms": 1e3 * step,
      "loop_step_ms": 1e3 * statistics.median(loop),
      **conditions,
    },
    {
      "row": "input/in_memory",
      "share": load / step,
      "batch_ms": 1e3 * load,
      "examples_per_s": batch_size / load,
      "step_ms": 1e3 * step,
      **conditions,
    },
  ]


class _Bench:
  """One model with its compiled step, data and loop."""

  def __init__(self, model: str, batch_size: int, steps: int):
    import jax

    from vision_jax.core.execution import Jit
    from vision_jax.core.step import make_train_step
    from vision_jax.experiment import base_config

    self.steps = steps
    self.config = base_config(steps=steps, batch_size=batch_size, log_every=10)
    self.execution = Jit()
    self.experiment = _experiment(model, batch_size)
    self.batch = self.experiment.train_data.batch(0)
    self.make = lambda: self.experiment.initial_state(
      jax.random.key(0), self.batch
    )
    step = make_train_step(
      self.experiment.task,
      self.experiment.optimizers,
      inputs=self.experiment.inputs,
      augment=self.experiment.augment,
    )
    state = self.execution.init(self.make)
    placed = self.execution.put(self.batch)
    compiled = self.execution.train_step(step, state)
    self._bare_step = compiled.lower(state, placed).compile()
    self._placed = placed

  def bare(self) -> float:
    """Returns the seconds a step of the compiled step alone."""
    import jax

    state = self.execution.init(self.make)
    start = time.perf_counter()
    for _ in range(self.steps):
      state, logs = self._bare_step(state, self._placed)
    jax.block_until_ready((state, logs))
    return (time.perf_counter() - start) / self.steps

  def loop(self) -> float:
    """Returns the seconds a step of the whole loop."""
    from vision_jax.train.checkpoint.checkpoints import Checkpoints
    from vision_jax.train.log.writer import open_writer
    from vision_jax.train.loop import Training
    from vision_jax.train.stop import Stop

    progress = _Stamps(self.steps, self.config.batch_size, stream=io.StringIO())
    with contextlib.ExitStack() as stack:
      folder = stack.enter_context(tempfile.TemporaryDirectory())
      checkpoints = stack.enter_context(
        Checkpoints(f"{folder}/checkpoints", best=None)
      )
      write = stack.enter_context(open_writer(folder, sinks=[progress]))
      Training(
        experiment=self.experiment,
        config=self.config,
        execution=self.execution,
        checkpoints=checkpoints,
        write=write,
        progress=progress,
        stop=Stop(),
      ).run(self.execution.init(self.make), 0)
    first, last = progress.stamps[WARM], progress.stamps[-1]
    return (last - first) / (len(progress.stamps) - 1 - WARM)

  def loading(self) -> float:
    """Returns the seconds that making one batch takes."""
    loader = self.experiment.train_data
    for step in range(IMAGES // self.config.batch_size):
      loader.batch(step)
    start = time.perf_counter()
    for step in range(50):
      loader.batch(step)
    return (time.perf_counter() - start) / 50


def _experiment(model: str, batch_size: int) -> Any:
  import numpy as np

  from vision_jax.data.loader import Loader
  from vision_jax.data.sources.arrays import ArraySource
  from vision_jax.experiment import Experiment
  from vision_jax.models import listing
  from vision_jax.ops.augment import random_crop_flip
  from vision_jax.ops.inputs import normalize
  from vision_jax.optim.optimizers import sgd
  from vision_jax.tasks.classification import Classification

  entry = listing.find(model)
  rng = np.random.default_rng(0)
  image = rng.integers(0, 256, entry.shape(IMAGES)).astype(np.uint8)
  label = rng.integers(0, 10, IMAGES).astype(np.int32)
  return Experiment(
    task=Classification(entry.make()),
    optimizers={"model": sgd(1e-3)},
    inputs=normalize([0.5], [0.25]),
    augment=random_crop_flip(pad=4),
    train_data=Loader(
      ArraySource({"image": image, "label": label}), (), batch_size
    ),
    evals={},
  )


class _Stamps(Progress):
  """Progress that also notes when each step was finished."""

  def __init__(self, *args: Any, **options: Any):
    super().__init__(*args, **options)
    self.stamps: list[float] = []

  def __call__(self, step: int) -> None:
    super().__call__(step)
    self.stamps.append(time.perf_counter())


def main() -> None:
  """Prints the rows as JSON lines."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument("--model", default="resnet20")
  parser.add_argument("--batch_size", type=int, default=128)
  parser.add_argument("--steps", type=int, default=20)
  parser.add_argument("--pairs", type=int, default=10)
  options = parser.parse_args()
  tuning.tune_allocator()
  tuning.tune_convolutions()
  for row in loop_rows(**vars(options)):
    print(json.dumps(row), flush=True)


if __name__ == "__main__":
  main()
