"""How far a run is: a bar on a terminal, plain lines elsewhere."""

import contextlib
import datetime
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TextIO

import numpy as np

LINE_SECONDS = 10.0  # between two plain lines at least
FIRST_STEPS = 10  # after which the time left is known well
HEADLINES = ("loss", "accuracy", "miou", "ap", "ap50")
SMOOTHING = 0.1  # weight of the newest interval in the means


class Progress:
  """Counts steps; shows rate (images/s), time left and the newest metrics.

  Call it with the number of finished steps, after each. What happens under
  `paused`, such as an evaluation, does not lower the rate; of the time left it
  counts as often as it has come so far, unless it is compiling.
  """

  def __init__(
    self,
    steps: int,
    batch_size: int,
    *,
    start: int = 0,
    stream: TextIO | None = None,
    quiet: bool = False,
    best: str | None = None,
    advise: Callable[[float], str | None] = lambda seconds: None,
    clock: Callable[[], float] = time.monotonic,
  ):
    """Shows nothing before the first step.

    Args:
      steps: length of the whole run.
      batch_size: images a step, over all processes.
      start: the step that this run begins from.
      stream: where to show it; stderr by default.
      quiet: show nothing (every process but the first).
      best: a metric that the line shows besides the usual ones.
      advise: given the seconds that are left after the first steps, returns a
        line to show, or None.
      clock: seconds, for tests.
    """
    self.step = start
    self.rate: float | None = None
    self._images = self._seconds = 0.0  # of a step, smoothed
    self._steps, self._batch_size, self._start = steps, batch_size, start
    self._stream = sys.stderr if stream is None else stream
    self._quiet, self._clock = quiet, clock
    self._best, self._advise = best, advise
    self._last = self._shown = clock()
    self._paused, self._paused_at = 0.0, start  # seconds, until which step
    self._values: dict[str, float] = {}
    self._doing, self._named, self._bar = "", set(), None

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
    if step == self._start + FIRST_STEPS and (advice := self._advice()):
      self.log(advice)
    if self._stream.isatty():
      self._draw()
    elif first or now - self._shown > LINE_SECONDS or step == self._steps:
      self._shown = now
      self._stream.write(self.line() + "\n")
      self._stream.flush()

  @property
  def seconds_left(self) -> float | None:
    """Seconds until the end, with the pauses to come; None where not known."""
    if not self.rate:
      return None
    paused = self._paused / max(self._paused_at - self._start, 1)
    return (self._steps - self.step) * (self._batch_size / self.rate + paused)

  def _advice(self) -> str | None:
    seconds = self.seconds_left
    return None if seconds is None else self._advise(seconds)

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
    self._bar.set_postfix_str(self._details(), refresh=bool(self._doing))
    self._bar.update(self.step - self._bar.n)

  def _details(self) -> str:
    parts = [f"{self._doing} ..."] if self._doing else []
    if (left := self.seconds_left) is not None:
      eta = datetime.timedelta(seconds=round(left))
      parts += [f"{self.rate:.3g} images/s", f"{eta} left"]
    return "  ".join(
      [*parts, *(f"{name} {x:.4g}" for name, x in self._values.items())]
    )

  def line(self) -> str:
    """The state as a plain line."""
    return f"step {self.step}/{self._steps}  {self._details()}".rstrip()

  def write(self, step: int, values: Mapping[str, float]) -> None:
    """Takes the metrics to show: the newest loss, and those of evaluations."""
    del step
    shown = {
      n: float(x) for n, x in values.items() if _headline(n) or n == self._best
    }
    self._values |= shown

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
  def paused(self, doing: str) -> Iterator[None]:
    """Stops the clock, and shows what is done: compiling, evaluating, saving.

    Plain lines name each once, and again where none was shown for a while.
    """
    start = self._clock()
    before, self._doing = self._doing, doing
    self._show_doing(start)
    yield
    self._doing = before
    seconds = self._clock() - start
    self._last += seconds
    if self.step > self._start and not doing.startswith("compiling"):
      self._paused, self._paused_at = self._paused + seconds, self.step

  def _show_doing(self, now: float) -> None:
    if self._quiet:
      return
    if self._stream.isatty():
      self._draw()
    elif self._doing not in self._named or now - self._shown > LINE_SECONDS:
      self._named.add(self._doing)
      self._shown = now
      self.log(self.line())

  def close(self) -> None:
    """Ends the bar's line."""
    if self._bar is not None:
      self._bar.close()
      self._bar = None


def _headline(name: str) -> bool:
  """Whether a metric is worth a place on the line: train/loss, val/miou."""
  parts = name.split("/")
  several = parts[:2] == ["train", "loss"]  # train/loss/NET
  return several or (len(parts) == 2 and parts[1] in HEADLINES)
