"""The folder of a run: whose it is."""

import contextlib
import json
import logging
import os
import platform
import shlex
import sys
import time
from collections.abc import Iterator
from typing import Any, TextIO

from etils import epath

from vision_jax.errors import UserError
from vision_jax.files import is_remote, open_own, to_json

_LOG = logging.getLogger(__name__)

LOCK = ".lock"


class WorkdirBusy(UserError):
  """A workdir that another live process is writing."""


@contextlib.contextmanager
def claim(workdir: epath.PathLike) -> Iterator[None]:
  """Keeps a workdir for this process while the context lasts.

  A lock on workdir/.lock, which the kernel lifts when the process ends, however
  it ends. Of a run in several processes only the first one claims. On an object
  store (gs://...), which has no locks, this does nothing.

  Args:
    workdir: the run's folder, created if missing.

  Raises:
    WorkdirBusy: if another process holds it; the message names it.
  """
  if is_remote(workdir):
    yield
    return
  workdir = epath.Path(workdir)
  workdir.mkdir(parents=True, exist_ok=True)
  with open_own(workdir / LOCK) as file:
    held = _lock(file, workdir)
    try:
      if held:
        file.truncate(0)
        file.write(to_json(_self()) + "\n")
        file.flush()
      yield
    finally:
      if held:  # the file stays: removing it would race with the next claim
        file.truncate(0)


def _lock(file: TextIO, workdir: epath.Path) -> bool:
  """Locks an open file; False where the file system has no locks."""
  import fcntl

  try:
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
  except BlockingIOError:
    raise WorkdirBusy(
      f"workdir {workdir} is being written by {_holder(file)}. Fix: wait for "
      "it, stop it (SIGTERM saves a checkpoint), or choose another --workdir."
    ) from None
  except OSError as error:
    _LOG.warning(
      "No lock on %s (%s): nothing keeps a second run out of it.",
      workdir, error.strerror,
    )  # fmt: skip
    return False
  return True


def _self() -> dict[str, Any]:
  """This process, as the message of another one names it."""
  return {
    "pid": os.getpid(),
    "host": platform.node(),
    "since": time.strftime("%Y-%m-%d %H:%M:%S"),
    "command": shlex.join(["python", *sys.orig_argv[1:]]),
  }


def _holder(file: TextIO) -> str:
  """The process that a lock file names."""
  try:
    file.seek(0)
    return "process {pid} on {host} since {since}: {command:.200}".format(
      **json.loads(file.read())
    )
  except (ValueError, KeyError):
    return "another process"
