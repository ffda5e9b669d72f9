"""How far a prediction is, and how fast it was."""

import sys
import time
from collections.abc import Callable
from typing import TextIO


class Progress:
  """Counts images: a bar on a terminal, nothing elsewhere; the rate at the end.

  Args:
    total: how many images there are.
    batch: images of the first batch, whose time is that of compilation.
    stream: where a bar is drawn; None for stderr.
    clock: seconds.
  """

  def __init__(
    self,
    total: int,
    batch: int,
    stream: TextIO | None = None,
    clock: Callable[[], float] = time.perf_counter,
  ):
    self._total, self._batch, self._clock = total, batch, clock
    self._start, self._first, self._bar = clock(), None, None
    stream = stream or sys.stderr
    if stream.isatty():
      from tqdm import tqdm

      self._bar = tqdm(
        total=total, file=stream, unit=" images", dynamic_ncols=True
      )

  def __call__(self) -> None:
    """Tells that an image more is done."""
    if self._first is None:
      self._first = self._clock() - self._start
    if self._bar is not None:
      self._bar.update()

  def close(self) -> str:
    """Ends the bar; returns the rate in words, without the first batch's time.

    That is of several batches; one alone is measured whole.
    """
    if self._bar is not None:
      self._bar.close()
    seconds, first = self._clock() - self._start, self._first or 0.0
    rest = self._total - self._batch
    rate = rest / max(seconds - first, 1e-9) if rest > 0 else None
    begin = f"{self._total} images in {seconds:.1f} s"
    if rate is None:
      return f"{begin}, compilation included."
    return (
      f"{begin}: {first:.1f} s until the first batch was compiled and done, "
      f"then {rate:.3g} images/s."
    )
