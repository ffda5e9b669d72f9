"""What a training step costs to compile, once for each shape of a batch."""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax

from vision_jax.core.execution import Compiled
from vision_jax.errors import UserError

MOST_SHAPES = 16  # each is a program, which takes time and memory
_CACHE_HIT = "/jax/compilation_cache/cache_hits"
Arrays = Mapping[str, jax.Array]
Pause = Callable[[str], contextlib.AbstractContextManager[None]]
Shapes = tuple[tuple[str, tuple[int, ...], Any], ...]


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


class Programs:
  """A training step, compiled for each shape that its batches have.

  Args:
    step: the step, not compiled.
    devices: of all processes.
    pause: says what is done to a run that stands still meanwhile.
  """

  def __init__(self, step: Compiled, devices: int, pause: Pause):
    self._step, self._devices, self._pause = step, devices, pause
    self._known: dict[Shapes, Compilation] = {}

  def __call__(self, state: Any, batch: Arrays, fixed: Any) -> Any:
    """Runs the program for the batch's shape, which has been compiled."""
    return self._known[_shapes(batch)].step(state, batch, fixed)

  def compile(self, state: Any, batch: Arrays, fixed: Any) -> None:
    """Compiles the step for a batch's shape, where it is the first of it.

    Raises:
      UserError: for one shape more than `MOST_SHAPES`.
    """
    if (shapes := _shapes(batch)) in self._known:
      return
    known, doing = len(self._known), "compiling"
    if known:
      unlike = [x for x in shapes if x not in next(iter(self._known))] or shapes
      new = f"{unlike[0][0]} {'x'.join(map(str, unlike[0][1]))}"
      doing = f"compiling for another shape, {new}"
    if known == MOST_SHAPES:
      raise UserError(
        f"train_data: got a batch of the {known + 1}th shape, {new}; expected "
        f"{known} at most, since each is compiled. Give it fewer sizes, or "
        "transforms to one shape."
      )
    with self._pause(doing):
      self._known[shapes] = Compilation(
        self._step, state, batch, fixed, devices=self._devices
      )

  @property
  def metrics(self) -> dict[str, float]:
    """Those of its `Compilation`; of several the seconds in all."""
    found = [one.metrics for one in self._known.values()]
    if len(found) == 1 or not found[0]:
      return found[0]
    combine = {"time/compile_s": sum, "time/compile_cached": min}
    return {key: of(x[key] for x in found) for key, of in combine.items()}


def _shapes(batch: Arrays) -> Shapes:
  return tuple((name, x.shape, x.dtype) for name, x in batch.items())


def debugging() -> bool:
  """Whether one of jax's switches for debugging is on."""
  config = jax.config
  return (
    config.jax_disable_jit or config.jax_debug_nans or config.jax_debug_infs
  )


@contextlib.contextmanager
def guarded() -> Iterator[None]:
  """Around a step: nothing travels unasked, and jax's switches hold.

  Where an operation of jax switches the check for NaN off for itself, jax 0.10
  and 0.11 leave compiled steps of that thread unchecked from there on, unless
  it was switched on for the thread.
  """
  config, allow = jax.config, "allow" if debugging() else "disallow"
  with (
    jax.transfer_guard(allow),
    jax.debug_nans(config.jax_debug_nans),
    jax.debug_infs(config.jax_debug_infs),
  ):
    yield
