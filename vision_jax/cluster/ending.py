"""How one of several processes ends after an error: soon."""

import contextlib
import re
import threading
from collections.abc import Iterator

import jax

from vision_jax import signals
from vision_jax.cluster import watch
from vision_jax.errors import RunFailure, UserError

PATIENCE = 15.0  # seconds that a failed process waits for the others to fail
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
