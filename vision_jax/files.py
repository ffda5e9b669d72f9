"""Files that we write: whole, never through a link, and JSON without NaN.

Folders that a user names may be links. A file that we write may not: in a
workdir or an output folder that comes from somebody else, a link may lead to
any file of the user's. Every part may import this file, which imports only the
errors of ours.
"""

import contextlib
import errno
import io
import json
import math
import os
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from typing import Any, TextIO

from etils import epath

from vision_jax.errors import UserError


def is_remote(path: epath.PathLike) -> bool:
  """Whether `path` is on an object store, as in gs://bucket/run."""
  return "://" in os.fspath(path)


@contextlib.contextmanager
def whole_folder(place: epath.PathLike) -> Iterator[epath.Path]:
  """Gives a local folder that becomes `place` once all of it is written.

  An empty folder may be there, also behind a link.

  Raises:
    OSError: of `place`, if it cannot be made.
  """
  path = epath.Path(os.path.realpath(place))
  new = path.parent / f".{path.name}.{secrets.token_hex(4)}"
  try:
    os.makedirs(new)
  except OSError as error:
    raise type(error)(error.errno, error.strerror, os.fspath(place)) from error
  try:
    yield new
    with contextlib.suppress(FileNotFoundError):
      os.rmdir(path)
    os.rename(new, path)
  finally:
    shutil.rmtree(new, ignore_errors=True)


def replace_text(path: epath.PathLike, text: str) -> None:
  """Writes a file whole: a kill leaves the old one or the new one.

  Bytes of a file's name that are no UTF-8, surrogates here, are escaped.
  """
  replace_bytes(path, text.encode("utf-8", "backslashreplace"))


def replace_bytes(path: epath.PathLike, data: bytes) -> None:
  """Writes a file whole; where a link is, a file takes its place."""
  path = epath.Path(path)
  path.parent.mkdir(parents=True, exist_ok=True)
  if is_remote(path):  # an object appears when it is complete
    path.write_bytes(data)
    return
  new = path.parent / (path.name + ".new")
  with _created(new) as file:
    file.write(data)
  new.replace(path)


def _created(path: epath.PathLike) -> io.FileIO:
  """Opens a file that was not there, after removing what a kill has left."""
  flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
  try:
    return os.fdopen(os.open(path, flags, 0o666), "wb")
  except FileExistsError:
    os.unlink(path)  # of a link, the link
    return os.fdopen(os.open(path, flags, 0o666), "wb")


def open_own(path: epath.PathLike) -> TextIO:
  """Opens a local text file to append to and to read; creates it if need be.

  Raises:
    UserError: if it is a link.
  """
  flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0)
  try:
    return os.fdopen(os.open(path, flags, 0o666), "a+", encoding="utf-8")
  except OSError as error:
    if error.errno != errno.ELOOP:
      raise
    raise UserError(
      f"{path}: is a link, to {os.readlink(path)}; expected a file, which is "
      "written here. Remove the link (what it leads to is left alone)."
    ) from None


def add_line(path: epath.PathLike, line: str) -> None:
  """Appends a line to a file that several processes may append to.

  An object store cannot append: there each line is a file of its own, in a
  folder of the file's name without its suffix.
  """
  path = epath.Path(path)
  if is_remote(path):
    name = f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(4)}.json"
    replace_text(path.parent / path.stem / name, line + "\n")
    return
  path.parent.mkdir(parents=True, exist_ok=True)
  with open_own(path) as file, _locked(file):
    file.seek(0)
    torn = file.read()[-1:] not in ("", "\n")
    file.write("\n" * torn + line + "\n")
    file.flush()


@contextlib.contextmanager
def _locked(file: TextIO) -> Iterator[None]:
  """Waits for a file's lock, where the file system has locks."""
  import fcntl

  with contextlib.suppress(OSError):
    fcntl.flock(file, fcntl.LOCK_EX)
  yield  # closing the file lifts it


def to_json(value: Any, **options: Any) -> str:
  """Returns JSON, in which null stands for what is not finite.

  Args:
    value: what to tell.
    **options: of `json.dumps`.
  """
  return json.dumps(_finite(value), allow_nan=False, **options)


def _finite(value: Any) -> Any:
  if isinstance(value, Mapping):
    return {key: _finite(x) for key, x in value.items()}
  if isinstance(value, list | tuple):
    return [_finite(x) for x in value]
  if isinstance(value, float) and not math.isfinite(value):
    return None
  return value
