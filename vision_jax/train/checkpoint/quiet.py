"""Keeps orbax's stack traces off the screen.

On a damaged checkpoint or a full disk orbax raises one exception, logs it
hundreds of lines long in each of its threads, and leaves other reads to end
without anybody who waits for them. The exception reaches the user as one
message of ours; the rest is shown with absl's --verbosity=1 only.
"""

import functools
import logging
import sys
from typing import Any

import absl.logging

FOLDER = "/orbax/checkpoint/"
ABANDONED = "Event loop is closed"  # a read that ends after the first failed


def _verbose() -> bool:
  return absl.logging.get_verbosity() > 0


def _wanted(record: logging.LogRecord) -> bool:
  """Whether a record of absl's log is not orbax's."""
  return FOLDER not in record.pathname.replace("\\", "/") or _verbose()


def _wanted_future(record: logging.LogRecord) -> bool:
  """Whether asyncio complains of something else than a lost read."""
  return "tensorstore" not in record.getMessage() or _verbose()


def _unraisable(before: Any, event: Any) -> None:
  coroutine = getattr(event.object, "cr_code", None)
  ours = ABANDONED in str(event.exc_value) or (
    coroutine is not None and FOLDER in coroutine.co_filename
  )
  if not ours or _verbose():
    before(event)


def _uncaught(before: Any, kind: Any, error: BaseException, trace: Any) -> None:
  if ABANDONED not in str(error) or _verbose():
    before(kind, error, trace)


@functools.cache
def quiet_orbax() -> None:
  """Drops what orbax logs, for the rest of the process."""
  absl.logging.get_absl_logger().addFilter(_wanted)
  logging.getLogger("asyncio").addFilter(_wanted_future)
  sys.unraisablehook = functools.partial(_unraisable, sys.unraisablehook)
  sys.excepthook = functools.partial(_uncaught, sys.excepthook)
