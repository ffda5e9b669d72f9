"""The errors that the command reports in a message instead of a traceback.

Two kinds. What a user gave (flags, values of a config, files) raises a
`UserError`: the command prints it and ends with exit code 2. A run that fails
for reasons of its own (not finite, a full disk, out of memory) raises a
`RunFailure`: exit code 3. Everything else is a programmer's error, keeps its
traceback and ends with exit code 1. Every part may import this file, which
imports nothing of ours.
"""

import contextlib
import errno
import os
from collections.abc import Iterator

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class UserError(ValueError):
  """Something given cannot be used: what, got, expected and how to fix it."""


class RunFailure(RuntimeError):
  """A run that cannot go on, though what was given is right.

  Attributes:
    look: the flag that, added to the same command, shows why; "" for none.
  """

  def __init__(self, message: str, *, look: str = ""):
    super().__init__(message)
    self.look = look


@contextlib.contextmanager
def files_of(*places: str) -> Iterator[None]:
  """Reports what the system says of a user's files; the rest it lets pass.

  Args:
    places: folders and files that the user has named; "" is none.

  Raises:
    UserError: for a file in one of these places, naming it.
    RunFailure: if a disk is full, wherever it is.
  """
  try:
    yield
  except OSError as error:
    name = os.fspath(error.filename or "")
    name = os.fsdecode(name) if isinstance(name, bytes) else str(name)
    if error.errno in FULL:
      raise RunFailure(
        f"{name or places[0]}: {error.strerror}. Free space there; the same "
        "command then goes on from the last checkpoint."
      ) from error
    if not any(_is_in(name, place) for place in places if place):
      raise
    raise UserError(
      f"{name}: {error.strerror}. Check the path and its permissions."
    ) from error


def _is_in(name: str, place: str) -> bool:
  return name == place or name.startswith(place.rstrip("/") + "/")
