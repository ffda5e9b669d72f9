"""numpy's archives of arrays, such as those of the first ViT; no pickles."""

import io

import numpy as np

from vision_jax.interop.readers.source import BFLOAT16, count, native
from vision_jax.interop.readers.zipped import Archive
from vision_jax.interop.tensors import Tensor, Tensors

_SUFFIX = ".npy"
_HEADER = 2**14  # bytes that hold any header of an array of numbers
_READ = {
  (1, 0): np.lib.format.read_array_header_1_0,
  (2, 0): np.lib.format.read_array_header_2_0,
}
_NUMBERS = "fiubc"
_TEXTS = "US"


def is_npz(archive: Archive) -> bool:
  """Whether a zip file is one of numpy's."""
  names = archive.members
  return bool(names) and all(name.endswith(_SUFFIX) for name in names)


def read(archive: Archive) -> Tensors:
  """Returns the arrays of a file, none of them read; texts are left out.

  Names are the flat ones of the file: "Transformer/encoderblock_0/...".

  Raises:
    UserError: if it is damaged, or has an array that is a pickle.
  """
  found = {
    name.removesuffix(_SUFFIX): _tensor(archive, name)
    for name in archive.members
  }
  return {name: x for name, x in found.items() if x is not None}


def _tensor(archive: Archive, name: str) -> Tensor | None:
  source = archive.source
  stream = io.BytesIO(archive.read(name, _HEADER))
  with source.read_by("an array in numpy's format"):
    version = np.lib.format.read_magic(stream)
    shape, fortran, dtype = _READ[version](stream)
  if dtype.kind in _TEXTS:
    return None
  stored = dtype
  if dtype == np.dtype("V2"):
    dtype = BFLOAT16  # numpy has no name for it, and writes its size alone
  elif dtype.kind not in _NUMBERS and dtype != np.bool_:
    raise source.bad(
      f"{name} is of dtype {str(dtype)[:80]}, which may be a pickle",
      "numbers",
      "Save it as an array of numbers.",
    )
  start = stream.tell()
  with source.read_by("an array in numpy's format"):
    number = count(shape, dtype)
  if archive.size(name) != start + number * dtype.itemsize:
    raise source.bad(
      f"{name} has {archive.size(name)} bytes",
      f"{start + number * dtype.itemsize} ({stored} {shape})",
    )

  def load() -> np.ndarray:
    flat = np.frombuffer(archive.read(name), dtype, number, start)
    return native(flat).reshape(shape, order="F" if fortran else "C")

  return Tensor(tuple(shape), _native(dtype), load)


def _native(dtype: np.dtype) -> np.dtype:
  return dtype.newbyteorder("=")
