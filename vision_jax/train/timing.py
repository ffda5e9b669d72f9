"""What a run costs: step times, waiting for data, compiling, memory, FLOPs."""

import contextlib
import resource
import sys
import time
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

from vision_jax.core.execution import Compiled

# The version of the clock, kept beside the times that it gave: raised where
# they change. 1 stood still while steps were running, and so was too fast.
CLOCK = 2

_CACHE_HIT = "/jax/compilation_cache/cache_hits"


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


class Compilation:
  """Compiles a step ahead of its first call and says what that took.

  Under jax's switches for debugging the step stays as it is: only so can it run
  without jit, and tell which operation gives NaN.

  Attributes:
    step: the compiled step.
    metrics: `time/compile_s`, `time/compile_cached` (1 where the persistent
      cache had it) and `flops/step` over all devices, where XLA tells.
  """

  def __init__(self, step: Compiled, *args: Any, devices: int):
    self.step, self.metrics = step, {}
    if debugging():
      return
    hits = []

    def listen(event: str, **_: Any) -> None:
      if event == _CACHE_HIT:
        hits.append(event)

    jax.monitoring.register_event_listener(listen)
    start = time.perf_counter()
    try:
      self.step = step.lower(*args).compile()
    finally:
      jax.monitoring.unregister_event_listener(listen)
    self.metrics = {
      "time/compile_s": time.perf_counter() - start,
      "time/compile_cached": float(bool(hits)),
    }
    flops = (self.step.cost_analysis() or {}).get("flops", 0)
    if flops > 0:
      self.metrics["flops/step"] = float(flops) * devices


def debugging() -> bool:
  """Whether one of jax's switches for debugging is on."""
  config = jax.config
  return (
    config.jax_disable_jit or config.jax_debug_nans or config.jax_debug_infs
  )


def peak_bytes() -> float:
  """Peak memory: of the fullest local device, or on a CPU of the process."""
  stats = [d.memory_stats() or {} for d in jax.local_devices()]
  peaks = [s["peak_bytes_in_use"] for s in stats if "peak_bytes_in_use" in s]
  if peaks:
    return float(max(peaks))
  peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
  return float(peak if sys.platform == "darwin" else peak * 1024)
