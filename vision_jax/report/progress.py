"""How far a run is: a bar on a terminal, plain lines elsewhere."""

import contextlib
import datetime
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TextIO

import numpy as np

LINE_SECONDS = 10.0  # between two plain lines at least
SMOOTHING = 0.1  # weight of the newest interval in the means


class Progress:
  """Counts steps; shows rate (images/s), time left and the newest metrics.

  Call it with the number of finished steps, after each. What happens under
  `paused`, such as an evaluation, does not lower the rate.
  """

  def __init__(
    self,
    steps: int,
    batch_size: int,
    *,
    start: int = 0,
    stream: TextIO | None = None,
    quiet: bool = False,
    clock: Callable[[], float] = time.monotonic,
  ):
    """Shows nothing before the first step.

    Args:
      steps: of the whole run.
      batch_size: images a step, over all processes.
      start: the step that this run begins from.
      stream: where to show it; stderr by default.
      quiet: show nothing (every process but the first).
      clock: seconds, for tests.
    """
    self.step = start
    self.rate: float | None = None
    self._images = self._seconds = 0.0  # of a step, smoothed
    self._steps, self._batch_size, self._start = steps, batch_size, start
    self._stream = sys.stderr if stream is None else stream
    self._quiet, self._clock = quiet, clock
    self._last = self._shown = clock()
    self._text, self._bar = "", None

  def __call__(self, step: int) -> None:
    """Tells that `step` steps are done."""
    now = self._clock()
    seconds, done = now - self._last, step - self.step
    first = self.step == self._start  # it compiles, and says nothing of a rate
    self.step, self._last = step, now
    if not first:
      # Images and seconds each by themselves: a mean of rates is too high.
      self._images += SMOOTHING * (done * self._batch_size - self._images)
      self._seconds += SMOOTHING * (seconds - self._seconds)
      self.rate = self._images / self._seconds if self._seconds else None
    if self._quiet:
      return
    if self._stream.isatty():
      self._draw()
    elif first or now - self._shown > LINE_SECONDS or step == self._steps:
      self._shown = now
      self._stream.write(self.line() + "\n")
      self._stream.flush()

  def _draw(self) -> None:
    if self._bar is None:
      from tqdm import tqdm

      self._bar = tqdm(
        total=self._steps,
        initial=self._start,
        file=self._stream,
        unit="step",
        dynamic_ncols=True,
        bar_format="{desc}{percentage:3.0f}%|{bar}| {n}/{total}{postfix}",
      )
    self._bar.set_postfix_str(self._details(), refresh=False)
    self._bar.update(self.step - self._bar.n)

  def _details(self) -> str:
    parts = []
    if self.rate:
      left = (self._steps - self.step) * self._batch_size / self.rate
      eta = datetime.timedelta(seconds=round(left))
      parts = [f"{self.rate:.3g} images/s", f"{eta} left"]
    return "  ".join([*parts, *([self._text] if self._text else [])])

  def line(self) -> str:
    """The state as a plain line."""
    return f"step {self.step}/{self._steps}  {self._details()}".rstrip()

  def write(self, step: int, values: Mapping[str, float]) -> None:
    """Takes the metrics to show: losses and accuracies of the newest line."""
    del step
    shown = {n: x for n, x in values.items() if _headline(n)}
    if shown:
      self._text = "  ".join(f"{n} {float(x):.4g}" for n, x in shown.items())

  def images(self, step: int, images: Mapping[str, np.ndarray]) -> None:
    """Shows no images."""

  def log(self, text: str) -> None:
    """Prints a line, above the bar if there is one."""
    if self._quiet:
      return
    if self._bar is not None:
      self._bar.write(text, file=self._stream)
    else:
      self._stream.write(text + "\n")
      self._stream.flush()

  @contextlib.contextmanager
  def paused(self) -> Iterator[None]:
    """Stops the clock."""
    start = self._clock()
    yield
    self._last += self._clock() - start

  def close(self) -> None:
    """Ends the bar's line."""
    if self._bar is not None:
      self._bar.close()
      self._bar = None


def _headline(name: str) -> bool:
  """Whether a metric is worth a place on the line: train/loss, val/accuracy."""
  parts = name.split("/")
  return len(parts) == 2 and parts[1] in ("loss", "accuracy")
