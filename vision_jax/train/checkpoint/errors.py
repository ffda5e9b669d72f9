"""What can be wrong with a checkpoint, and how to say it in one line."""

import errno
import os
import re

from vision_jax.errors import RunFailure, UserError


class CheckpointError(UserError):
  """A checkpoint that cannot be written, found, read or used."""


class CheckpointMismatch(CheckpointError):
  """Weights of another model: the message lists the arrays that differ."""


class SaveError(RunFailure):
  """A checkpoint that could not be written, because of a full disk mostly."""


def reason(error: BaseException) -> str:
  """The cause of a failed read or write in one line, at most 300 letters."""
  code = re.search(r"os_error_code='(\d+)'", str(error))
  if code or isinstance(error, OSError):
    number = int(code[1]) if code else error.errno or 0
    if number in errno.errorcode:
      return f"{os.strerror(number)} ({errno.errorcode[number]})"
  lines = str(error).strip().splitlines()
  return f"{type(error).__name__}: {lines[0] if lines else ''}"[:300]
