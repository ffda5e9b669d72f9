"""When a run saves out of turn, and when it leaves: at a signal, an error."""

import contextlib
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import jax

from vision_jax import signals
from vision_jax.cluster import watch
from vision_jax.cluster.agreement import Agreement
from vision_jax.errors import RunFailure, UserError

SAVE_SECONDS = 300.0  # between two saves at most
PATIENCE = 15.0  # seconds that a failed process waits for the others to fail
SAVE = "save"
# How gloo, NCCL and jax's runtime say that another process has gone.
PEER = (
  r"gloo.*(failed|closed)|nccl.*(remote|peer)|closed by peer|reset by peer|"
  r"heartbeat timeout|coordination service|socket closed"
)


@contextlib.contextmanager
def no_waiting_after_errors() -> Iterator[None]:
  """Ends this process soon after an error, where it is one of several.

  At its end a process waits minutes for the others, which wait for it in the
  middle of a step. Once it is gone, jax's distributed runtime ends them. Where
  all have failed alike none has to wait, and each tells its error.
  """
  try:
    yield
    watch.farewell()
  except signals.Interrupted as error:
    error.at_once = jax.distributed.is_initialized()
    raise
  except BaseException as error:
    if jax.distributed.is_initialized() and jax.process_count() > 1:
      lost = _is_lost(error)
      watch.fail(3 if lost else _code(error))
      _leave_later(3 if lost else _code(error), 1.0 if lost else PATIENCE)
      if lost:
        raise RunFailure(watch.LOST) from error
    raise


def _is_lost(error: BaseException | None) -> bool:
  """Whether an error, or what it comes from, tells of a process that left."""
  while error is not None:
    if not isinstance(error, UserError) and re.search(PEER, str(error), re.I):
      return True
    error = error.__cause__
  return False


def _leave_later(code: int, seconds: float) -> None:
  timer = threading.Timer(seconds, signals.leave_at_once, (code,))
  timer.daemon = True
  timer.start()


def _code(error: BaseException) -> int:
  """The exit code that the command gives an error."""
  kinds = ((RunFailure, 3), (UserError, 2))
  return next((code for kind, code in kinds if isinstance(error, kind)), 1)


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

  def _note(self, number: int, frame: Any) -> None:
    del frame
    self._noted = signal.Signals(number).name
    if self._agreement is not None:
      self._agreement.ask(self._noted)
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
      signal.signal(signal.SIGINT, signals.interrupt)
