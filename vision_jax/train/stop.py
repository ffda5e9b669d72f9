"""When a run saves out of turn, and when a signal has it leave."""

import contextlib
import signal
import time
import types
from collections.abc import Callable

import jax

from vision_jax import signals
from vision_jax.cluster.agreement import Agreement

SAVE_SECONDS = 300.0  # between two saves at most
SAVE = "save"


class Never:
  """Stands where a `Stop` does in a run that has nowhere to save to.

  A signal then ends it where it is, as it ends any other work.
  """

  reason: str | None = None
  save_due = False

  def __call__(self, step: int | None = None) -> bool:
    """Returns False: there is no reason to leave."""
    del step
    return False

  def saved(self) -> None:
    """Has nothing to note."""

  def __enter__(self) -> "Never":
    return self

  def __exit__(self, *exc: object) -> None:
    pass


class Stop:
  """Says after each step whether to leave there, or to save out of turn.

  While it lasts SIGTERM, SIGHUP and the first Ctrl-C are noted (the second
  Ctrl-C interrupts at once). Several processes agree on the step.

  Attributes:
    reason: the signal to leave for, at the step that the last call was for.
    save_due: whether SAVE_SECONDS have gone by since the last save.
  """

  def __init__(self, clock: Callable[[], float] = time.monotonic):
    self.reason: str | None = None
    self.save_due = False
    self._clock, self._last, self._asked = clock, clock(), False
    self._noted: str | None = None
    self._agreement: Agreement | None = None
    self._exit = contextlib.ExitStack()

  def __call__(self, step: int | None = None) -> bool:
    """Whether to leave after `step`, or in the evaluation where it is None.

    Every process asks after every step and every batch of an evaluation.
    """
    del step
    late = self._clock() - self._last > SAVE_SECONDS
    if self._agreement is None:
      self.reason, self.save_due = self._noted, late
      return self.reason is not None
    if late and not self._asked and jax.process_index() == 0:
      self._asked = True
      self._agreement.ask(SAVE)
    for what in self._agreement():
      if what == SAVE:
        self.save_due = True
      else:
        self.reason = what
    return self.reason is not None

  def saved(self) -> None:
    """Tells that the state of this step is saved."""
    self._last, self._asked, self.save_due = self._clock(), False, False

  def __enter__(self) -> "Stop":
    self._last = self._clock()
    if jax.process_count() > 1:
      self._agreement = Agreement()
      self._exit.callback(self._agreement.close)
    self._exit.enter_context(signals.handled(self._note))
    return self

  def __exit__(self, *exc: object) -> None:
    self._exit.close()

  def _note(self, number: int, frame: types.FrameType | None) -> None:
    del frame
    self._noted = signal.Signals(number).name
    if self._agreement is not None:
      self._agreement.ask(self._noted)
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
      signal.signal(signal.SIGINT, signals.interrupt)
