"""Times of compiled functions that take turns."""

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import jax

from benchmarks.speed.steps import BLOCK


def in_turns(
  functions: Mapping[str, Callable[..., Any]],
  args: tuple,
  *,
  turns: int = 5,
  calls: int = BLOCK,
) -> dict[str, list[float]]:
  """Returns each function's milliseconds a call, a figure for each turn.

  The functions are compiled and warm; a turn dispatches `calls` of them before
  it waits.
  """
  for fn in functions.values():
    jax.block_until_ready(fn(*args))
  found: dict[str, list[float]] = {name: [] for name in functions}
  for _ in range(turns):
    for name, fn in functions.items():
      start = time.perf_counter()
      for _ in range(calls):
        out = fn(*args)
      jax.block_until_ready(out)
      found[name].append(1e3 * (time.perf_counter() - start) / calls)
  return found


def medians(found: Mapping[str, list[float]]) -> dict[str, float]:
  """Returns the median of each."""
  return {name: statistics.median(times) for name, times in found.items()}
