"""A file's bytes: read where and when they are asked for, or not at all."""

import contextlib
import dataclasses
import hashlib
import importlib
import math
import os
import pathlib
import stat
import types
from collections.abc import Iterator, Sequence
from typing import BinaryIO

import ml_dtypes
import numpy as np

from vision_jax.errors import UserError

DAMAGED = "It is damaged or incomplete: get it again."
LARGEST = 2**62  # bytes of a tensor; numpy counts in 63 bits
SMALL = 2**26  # bytes that may be all zeros
RATIO = 100  # times that a compressed tensor may expand beyond SMALL
BFLOAT16 = np.dtype(ml_dtypes.bfloat16)


def malformed(
  path: os.PathLike | str, got: str, expected: str, fix: str = DAMAGED
) -> UserError:
  """Returns the error for a file that is not what it should be."""
  return UserError(f"{path}: {got}; expected {expected}. {fix}")


@dataclasses.dataclass(frozen=True)
class Source:
  """A file as it is when it is opened; to change later is an error.

  It is read, not mapped: a file that is cut while it is mapped ends the
  process, and arrays in it would change with it.

  Attributes:
    path: of the file.
    size: bytes.
    stamp: what tells this file from one written in its place.
  """

  path: pathlib.Path
  size: int
  stamp: tuple[int, ...]

  @classmethod
  def of(cls, path: os.PathLike | str) -> "Source":
    """Opens a file.

    Raises:
      UserError: if it cannot be read.
    """
    path = pathlib.Path(path)
    try:
      found = path.stat()
      if stat.S_ISREG(found.st_mode):  # to open a pipe would wait
        with path.open("rb") as file:
          found = os.fstat(file.fileno())
    except FileNotFoundError as error:
      raise malformed(
        path, "there is no such file", "one", "Check the path."
      ) from error
    except (OSError, ValueError) as error:
      text = getattr(error, "strerror", None) or error
      raise malformed(
        path,
        f"it cannot be read ({text})",
        "a file",
        "Check the path and its permissions.",
      ) from error
    if not stat.S_ISREG(found.st_mode):
      raise malformed(path, "it is no file", "one", "Check the path.")
    return cls(path, found.st_size, _stamp(found))

  def open(self) -> BinaryIO:
    """Opens the same file again, to be closed by the caller."""
    try:
      file = self.path.open("rb")
    except OSError as error:
      raise self.bad(
        f"it is gone ({error})", "the file opened before"
      ) from error
    if _stamp(os.fstat(file.fileno())) != self.stamp:
      file.close()
      raise self.bad(
        "it has changed since it was opened", "the same file", "Open it again."
      )
    return file

  def read(self, start: int, size: int) -> bytes:
    """Returns bytes start to start + size, all of them or an error."""
    return self.array(start, size, np.dtype(np.uint8)).tobytes()

  def array(self, start: int, count: int, dtype: np.dtype) -> np.ndarray:
    """Returns `count` numbers that lie one behind another, as a vector.

    Args:
      start: byte at which they begin; they need not be aligned.
      count: of numbers, not bytes.
      dtype: of either byte order; what is returned has this machine's.
    """
    self.check(start, count * dtype.itemsize)
    array = np.empty(count, dtype)
    with self.open() as file:
      file.seek(start)
      got = file.readinto(array.view(np.uint8)) if array.nbytes else 0
    if got != array.nbytes:
      raise self.bad(f"it ends at byte {start + got}", f"{self.size} bytes")
    return native(array)

  def check(self, start: int, size: int) -> None:
    """Raises an error unless bytes start to start + size are there."""
    if start < 0 or size < 0 or start + size > self.size:
      raise self.bad(
        f"something in it lies at bytes {start} to {start + size}",
        f"all of it within its {self.size} bytes",
      )

  def sha256(self) -> str:
    """Returns the file's SHA-256, in hexadecimal digits."""
    with self.open() as file:
      return hashlib.file_digest(file, "sha256").hexdigest()

  def bad(self, got: str, expected: str, fix: str = DAMAGED) -> UserError:
    """Returns the error for what is wrong with this file."""
    return malformed(self.path, got, expected, fix)

  @contextlib.contextmanager
  def read_by(self, what: str) -> Iterator[None]:
    """Makes whatever a library raises for a bad file an error of the file.

    Such libraries have no one error for it: a flipped bit may be anything from
    a KeyError to a RuntimeError, and none of them is a programmer's.

    Args:
      what: the format, as an error calls it.

    Raises:
      UserError: in place of any exception.
    """
    try:
      yield
    except UserError:
      raise
    except Exception as error:
      text = f"{type(error).__name__}: {str(error)[:200]}"
      raise self.bad(f"it cannot be read ({text})", what) from error


def library(name: str, extra: str, path: os.PathLike | str) -> types.ModuleType:
  """Imports a library that only some formats need.

  Args:
    name: of the library.
    extra: of this package that has it.
    path: of the file that needs it.

  Raises:
    UserError: if it is not installed.
  """
  try:
    return importlib.import_module(name)
  except ImportError as error:
    raise UserError(
      f"{path}: reading it needs {name}, which is not installed: "
      f"pip install 'vision_jax[{extra}]' (from its source: '.[{extra}]')."
    ) from error


def native(array: np.ndarray) -> np.ndarray:
  """Returns an array in this machine's byte order, with proper booleans."""
  if array.dtype == np.bool_:
    return array.view(np.uint8) != 0
  return array.astype(array.dtype.newbyteorder("="), copy=False)


def count(shape: Sequence[int], dtype: np.dtype) -> int:
  """Returns how many numbers a tensor has.

  Raises:
    ValueError: for a shape that no tensor has.
  """
  if not all(type(n) is int and n >= 0 for n in shape) or len(shape) > 64:
    raise ValueError(f"a tensor of shape {str(shape)[:80]}")
  number = math.prod(shape)
  if number * dtype.itemsize > LARGEST:
    raise ValueError(f"a tensor of shape {str(shape)[:80]}")
  return number


def check_expansion(
  path: os.PathLike | str, name: str, size: int, stored: int
) -> None:
  """Raises an error for what is so much larger than its bytes in the file.

  Args:
    path: of the file.
    name: of the tensor.
    size: bytes that it has in memory.
    stored: bytes that it has in the file.
  """
  if size > max(SMALL, RATIO * stored):
    raise malformed(
      path,
      f"{name} has {size:,} bytes, made of {stored:,}",
      f"weights, which compress by less than {RATIO}",
      "Do not use this file: it is made to fill memory.",
    )


def _stamp(found: os.stat_result) -> tuple[int, ...]:
  return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
