"""What the names in torch's pickles stand for: the only ones that are read."""

import dataclasses
import re
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np

from vision_jax.interop.readers.pickled import Members, Name, Opaque, dictionary
from vision_jax.interop.readers.source import BFLOAT16, Source, count
from vision_jax.interop.tensors import Tensor

_STORAGES = {
  "Float": np.dtype("<f4"),
  "Double": np.dtype("<f8"),
  "Half": np.dtype("<f2"),
  "BFloat16": BFLOAT16,
  "Long": np.dtype("<i8"),
  "Int": np.dtype("<i4"),
  "Short": np.dtype("<i2"),
  "Char": np.dtype("<i1"),
  "Byte": np.dtype("<u1"),
  "Bool": np.dtype(np.bool_),
  "ComplexFloat": np.dtype("<c8"),
  "ComplexDouble": np.dtype("<c16"),
}
_DTYPES = {
  **{f"torch.{x}": np.dtype(x) for x in ("bool", "uint8", "int8")},
  **{
    f"torch.{x}": np.dtype(x).newbyteorder("<")
    for x in (
      *("uint16", "uint32", "uint64", "int16", "int32", "int64"),
      *("float16", "float32", "float64", "complex64", "complex128"),
    )
  },
  **{
    f"torch.{x}": np.dtype(getattr(ml_dtypes, x))
    for x in (
      *("bfloat16", "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz"),
      *("float8_e5m2fnuz", "float8_e8m0fnu"),
    )
  },
}
_PROGRAM = "__torch__."  # before names of classes in a TorchScript program
_STORAGE = re.compile(r"torch\.(?:cuda\.)?(\w+)Storage")
_UNTYPED = ("torch.storage.UntypedStorage", "torch.UntypedStorage")
Place = tuple[int, int]  # first byte, and number of bytes


@dataclasses.dataclass(frozen=True)
class Storage:
  """What a file says of memory that tensors are views of.

  Attributes:
    key: by which the file knows it.
    dtype: of its numbers; None if it is of bytes, and tensors have dtypes.
    size: how many numbers, or bytes.
    offset: number at which a part of it begins that is a storage of its own.
  """

  key: str
  dtype: np.dtype | None
  size: int
  offset: int = 0

  def nbytes(self) -> int:
    """Returns the bytes that it has."""
    return self.size * (self.dtype.itemsize if self.dtype else 1)


@dataclasses.dataclass(frozen=True)
class Strided:
  """A tensor as torch describes it: a view of a storage.

  Attributes:
    storage: of which it is one.
    dtype: of its numbers.
    offset: first number of the storage that is its own.
    shape: of its axes.
    strides: likewise, in numbers.
  """

  storage: Storage
  dtype: np.dtype
  offset: int
  shape: tuple[int, ...]
  strides: tuple[int, ...]

  def span(self) -> int:
    """Returns how many numbers lie between its first and its last, inclusive.

    Raises:
      ValueError: if they are not within the storage.
    """
    empty = not count(self.shape, self.dtype)
    pairs = zip(self.shape, self.strides, strict=True)
    span = 0 if empty else 1 + sum((n - 1) * stride for n, stride in pairs)
    end = (self.offset + span) * self.dtype.itemsize
    below = min((*self.strides, self.offset)) < 0
    if below or (span and end > self.storage.nbytes()):
      raise ValueError(
        f"a tensor of shape {self.shape}, strides {self.strides} and offset "
        f"{self.offset} in a storage of {self.storage.nbytes()} bytes"
      )
    return span

  def tensor(self, source: Source, place: Place, order: str = "<") -> Tensor:
    """Returns a tensor whose storage lies at `place`.

    Args:
      source: the file.
      place: of the storage; where it is not all there, that is an error.
      order: of bytes: "<" little endian, ">" big.
    """
    start, nbytes = place
    if nbytes != self.storage.nbytes():
      raise source.bad(
        f"storage {self.storage.key[:40]} has {nbytes} bytes",
        f"{self.storage.nbytes()}, as its tensors say",
      )
    source.check(start, nbytes)
    dtype = self.dtype
    ordered = dtype.newbyteorder(order) if dtype.isbuiltin == 1 else dtype
    begin = start + self.offset * dtype.itemsize
    load = lambda: self._view(source.array(begin, self.span(), ordered))
    return Tensor(self.shape, dtype.newbyteorder("="), load)

  def _view(self, numbers: np.ndarray) -> np.ndarray:
    strides = [n * numbers.dtype.itemsize for n in self.strides]
    if not numbers.size:
      return np.empty(self.shape, numbers.dtype)
    return np.ndarray(self.shape, numbers.dtype, numbers, 0, strides)


def names(text: str) -> Name | None:
  """Returns what a name stands for, or None if it is none of torch's own."""
  if text in _CALLS:
    return Name(text, _CALLS[text])
  if text.startswith(_PROGRAM):
    return Name(text, Members)
  storage = _STORAGE.fullmatch(text)
  known = storage and storage[1] in _STORAGES
  return Name(text) if known or text in (*_UNTYPED, *_DTYPES, *_TYPES) else None


def storage_of(identity: Any) -> Storage:
  """Returns the storage that a pickle keeps elsewhere.

  Args:
    identity: as torch writes it: ("storage", type, key, device, size), in old
      files with None or (key, offset, size) of a part of it behind.
  """
  if type(identity) is not tuple or identity[:1] != ("storage",):
    module = type(identity) is tuple and identity[:1] == ("module",)
    raise ValueError(
      "it holds a whole module, expected its state dict"
      if module
      else f"keeps a {type(identity).__name__} elsewhere"
    )
  _, kind, key, _, size, *rest = identity
  part = rest[0] if rest else None
  offset = part[1] if part else 0
  if type(key) not in (str, int) or not _are_sizes(size, offset):
    raise ValueError(f"a storage of {str(size)[:40]} numbers")
  if kind.text in _UNTYPED:
    return Storage(str(key), None, size, offset)
  return Storage(
    str(key), _STORAGES[_STORAGE.fullmatch(kind.text)[1]], size, offset
  )


def _rebuild(
  storage: Storage, offset: int, shape: Any, strides: Any, *rest: Any
) -> Strided:
  """torch._utils._rebuild_tensor, and _v2: rest[2] has bits of a lazy view."""
  return _view(storage, storage.dtype, offset, shape, strides, rest[2:])


def _rebuild_v3(
  storage: Storage, offset: int, shape: Any, strides: Any, *rest: Any
) -> Strided:
  """torch._utils._rebuild_tensor_v3: rest[2] is the dtype."""
  dtype = _DTYPES[rest[2].text]
  return _view(storage, dtype, offset, shape, strides, rest[3:])


def _view(
  storage: Storage,
  dtype: np.dtype,
  offset: int,
  shape: Any,
  strides: Any,
  lazy: tuple[Any, ...],
) -> Strided:
  shape, strides = tuple(shape), tuple(strides)
  if not _are_sizes(offset, *shape, *strides):
    raise ValueError(f"a tensor of shape {str(shape)[:80]}")
  if any(lazy) and any(lazy[0].values()):
    raise ValueError(f"a tensor to be changed when it is read: {lazy[0]}")
  found = Strided(storage, dtype, storage.offset + offset, shape, strides)
  found.span()  # is within the storage
  return found


def _are_sizes(*numbers: Any) -> bool:
  return all(type(n) is int and n >= 0 for n in numbers)


def _first(value: Any, *_: Any) -> Any:
  """A parameter, which is its tensor."""
  return value


def _from_type(make: Name, kind: Name, arguments: Any, _: Any) -> Any:
  """torch._tensor._rebuild_from_type_v2: a subclass, or with attributes."""
  if make.make is None or kind.text not in _TYPES:
    raise ValueError(f"a tensor of type {kind.text}")
  return make.make(*arguments)


def _opaque(*_: Any) -> Opaque:
  return Opaque()


_TYPES = ("torch.Tensor", "torch.nn.parameter.Parameter", "numpy.ndarray")
_BUILTINS = ("set", "list", "dict", "tuple", "int", "float", "bool", "str")
_CALLS: dict[str, Callable[..., Any]] = {
  "collections.OrderedDict": dictionary,
  "torch._utils._rebuild_tensor": _rebuild,
  "torch._utils._rebuild_tensor_v2": _rebuild,
  "torch._utils._rebuild_tensor_v3": _rebuild_v3,
  "torch._utils._rebuild_parameter": _first,
  "torch._utils._rebuild_parameter_with_state": _first,
  "torch._tensor._rebuild_from_type_v2": _from_type,
  "torch.Size": tuple,
  "collections.defaultdict": lambda *_: {},
  # Beside the tensors: read over, made into nothing.
  **dict.fromkeys(
    (
      *(
        "collections.Counter",
        "torch.device",
        "torch.jit._pickle.build_intlist",
      ),
      *("torch.torch_version.TorchVersion", "pathlib.PosixPath"),
      *("argparse.Namespace", "types.SimpleNamespace", "datetime.datetime"),
      *(f"{x}.{y}" for x in ("builtins", "__builtin__") for y in _BUILTINS),
      *("numpy.dtype", "numpy.core.multiarray.scalar", "_codecs.encode"),
      *("numpy._core.multiarray.scalar", "numpy._core.multiarray._reconstruct"),
      "numpy.core.multiarray._reconstruct",
    ),
    _opaque,
  ),
}
