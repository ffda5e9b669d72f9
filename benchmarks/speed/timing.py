"""How a time is taken: of blocks of calls, as far ahead as the loop runs."""

import collections
import dataclasses
import time
from collections.abc import Callable, Mapping
from typing import Any

import jax

from vision_jax.train.loop import IN_FLIGHT

BLOCK = 20  # calls that are timed together
WARM = 3  # calls before the first that counts


@dataclasses.dataclass(frozen=True)
class Block:
  """Seconds a call, in the mean of a block.

  Attributes:
    seconds: time from one call to the next.
    dispatch: how much of that time the host was busy.
  """

  seconds: float
  dispatch: float


def block(call: Callable[[], Any], size: int) -> Block:
  """Times so many calls as a whole, until the last is finished.

  As in the loop, and on every backend, the host waits for the oldest call where
  more than IN_FLIGHT are dispatched and not finished.

  Args:
    call: dispatches work; returns arrays that are ready when it is done, and
      that no later call consumes.
    size: how many calls.
  """
  in_flight, dispatch = collections.deque(), 0.0
  start = time.perf_counter()
  for _ in range(size):
    begin = time.perf_counter()
    in_flight.append(call())
    dispatch += time.perf_counter() - begin
    if len(in_flight) > IN_FLIGHT:
      jax.block_until_ready(in_flight.popleft())
  jax.block_until_ready([*in_flight])
  return Block((time.perf_counter() - start) / size, dispatch / size)


def in_turns(
  functions: Mapping[str, Callable[..., Any]],
  args: tuple,
  *,
  turns: int = 5,
  calls: int = BLOCK,
) -> dict[str, list[float]]:
  """Returns each function's milliseconds a call, a block for each turn.

  The functions are compiled, and called once before the first turn.
  """
  for fn in functions.values():
    jax.block_until_ready(fn(*args))
  found: dict[str, list[float]] = {name: [] for name in functions}
  for _ in range(turns):
    for name, fn in functions.items():
      taken = block(lambda fn=fn: fn(*args), calls)
      found[name].append(1e3 * taken.seconds)
  return found
