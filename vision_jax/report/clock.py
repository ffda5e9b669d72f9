"""Durations of steps, of which a run reports its rate."""

import contextlib
import time
from collections.abc import Iterator

import numpy as np

# The version of the clock, kept beside the times that it gave: raised where
# they change. 1 stood still while steps were running, and so was too fast.
CLOCK = 2


class Clock:
  """Durations of steps, from one completed step to the next.

  Call `lap` for each step, once it has completed on the devices: a step that
  was only dispatched took no time yet. `paused` leaves out what runs under it
  (evaluation, saving); no step may be in flight there, or the devices would
  work on it for free.
  """

  def __init__(self):
    self._laps: list[float] = []
    self._waits: list[float] = []
    self._last = time.perf_counter()

  def lap(self, waited: float) -> None:
    """Ends a step, of which `waited` seconds went by waiting for data."""
    now = time.perf_counter()
    self._laps.append(now - self._last)
    self._waits.append(waited)
    self._last = now

  @contextlib.contextmanager
  def paused(self) -> Iterator[None]:
    """Stops the clock."""
    start = time.perf_counter()
    yield
    self._last += time.perf_counter() - start

  def summary(self, batch_size: int, last: int | None = None) -> dict:
    """Returns images/s, p50 and p95 of a step and the share of data wait.

    Args:
      batch_size: global batch size.
      last: how many of the newest steps to look at; all where None.
    """
    laps = np.asarray(self._laps[-last:] if last else self._laps)
    waits = np.asarray(self._waits[-last:] if last else self._waits)
    if not laps.size:
      return {}
    p50, p95 = np.percentile(laps, [50, 95]) * 1e3
    return {
      "time/images_per_s": float(batch_size * laps.size / laps.sum()),
      "time/step_p50_ms": float(p50),
      "time/step_p95_ms": float(p95),
      "time/data_wait_share": float(waits.sum() / laps.sum()),
    }
