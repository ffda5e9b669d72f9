"""How long a checkpoint makes the loop wait.

`python -m benchmarks.speed.saving` prints the row as a JSON object. The wait is
that of the call that saves, and of what the next step takes longer than the one
after it: on a CPU a step cannot have memory that is still being written. It is
held against a copy of as many bytes.
"""

import argparse
import json
import pathlib
import statistics
import tempfile
import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from vision_jax import tuning
from vision_jax.train.checkpoint import tree
from vision_jax.train.checkpoint.checkpoints import Checkpoints

ARRAYS = 8


def saving_rows(megabytes: int = 1024, turns: int = 3) -> list[dict[str, Any]]:
  """Returns the row "checkpoint/wait".

  Args:
    megabytes: size of the state, float32 in 8 arrays.
    turns: how many saves.

  Returns:
    A dict: `seconds` and `best_seconds` of waiting, `cpu_seconds` of the copy
    that is written, and `copy_seconds`, `copy_cpu_seconds` of numpy's best.
  """
  shape = (ARRAYS, megabytes * 2**20 // 4 // ARRAYS)
  draw = lambda: tuple(jax.random.uniform(jax.random.key(0), shape))
  state = jax.block_until_ready(jax.jit(draw)())
  add = lambda x: jax.tree.map(lambda y: y + 1, x)
  step = jax.jit(add, donate_argnums=0)
  state = step(state)  # compiles
  waits, copies = [], []
  with tempfile.TemporaryDirectory() as folder:
    checkpoints = Checkpoints(pathlib.Path(folder) / "checkpoints", best=None)
    with checkpoints:
      for turn in range(turns):
        copies.append(_copied(sum(x.nbytes for x in state)))
        _, saving = _timed(lambda s=state, n=turn: checkpoints.save(n, s))
        state, first = _timed(lambda s=state: step(s))
        state, second = _timed(lambda s=state: step(s))
        waits.append(saving[0] + max(0.0, first[0] - second[0]))
        checkpoints.wait()
  _, (_, cpu) = _timed(lambda: tree.apart(state))
  seconds, cpus = zip(*copies, strict=True)
  copied = min(seconds)
  row = {
    "row": "checkpoint/wait",
    "seconds": statistics.median(waits),
    "best_seconds": min(waits),
    "cpu_seconds": cpu,
    "copy_seconds": copied,
    "copy_cpu_seconds": min(cpus),
    "work": f"{megabytes} MiB in {ARRAYS} arrays, which numpy copies at best "
    f"in {1e3 * copied:.0f} ms",
  }
  return [row]


def _timed(act: Callable[[], Any]) -> tuple[Any, tuple[float, float]]:
  """Returns what it gives, once that is ready, and its wall and CPU seconds."""
  start = time.perf_counter(), time.process_time()
  found = jax.block_until_ready(act())
  return found, (time.perf_counter() - start[0], time.process_time() - start[1])


def _copied(size: int) -> tuple[float, float]:
  """Returns the seconds of a copy of so many bytes, wall and CPU."""
  source = np.ones(size, np.uint8)
  return _timed(lambda: source.copy())[1]


def main() -> None:
  """Prints the row as a JSON line."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument("--megabytes", type=int, default=1024)
  parser.add_argument("--turns", type=int, default=3)
  tuning.tune_allocator()  # as the command does
  for row in saving_rows(**vars(parser.parse_args())):
    print(json.dumps(row), flush=True)


if __name__ == "__main__":
  main()
