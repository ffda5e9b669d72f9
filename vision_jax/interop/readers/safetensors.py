"""safetensors: a JSON header of names, shapes and offsets, then the bytes.

https://github.com/huggingface/safetensors. The header is checked here, all of
it: that the format cannot be misread is what it is for.
"""

import json
from collections.abc import Mapping
from typing import Any

import ml_dtypes
import numpy as np

from vision_jax.interop.readers.source import BFLOAT16, Source, count
from vision_jax.interop.tensors import Tensor, Tensors

MAX_HEADER = 100_000_000  # bytes, by the format
_LENGTH = 8  # bytes of the header's own length
_KEYS = {"dtype", "shape", "data_offsets"}
DTYPES = {
  "BOOL": np.dtype(np.bool_),
  "U8": np.dtype("<u1"),
  "I8": np.dtype("<i1"),
  "U16": np.dtype("<u2"),
  "I16": np.dtype("<i2"),
  "U32": np.dtype("<u4"),
  "I32": np.dtype("<i4"),
  "U64": np.dtype("<u8"),
  "I64": np.dtype("<i8"),
  "F16": np.dtype("<f2"),
  "F32": np.dtype("<f4"),
  "F64": np.dtype("<f8"),
  "C64": np.dtype("<c8"),
  "BF16": BFLOAT16,
  "F8_E4M3": np.dtype(ml_dtypes.float8_e4m3fn),
  "F8_E5M2": np.dtype(ml_dtypes.float8_e5m2),
  "F8_E8M0": np.dtype(ml_dtypes.float8_e8m0fnu),
  "F8_E4M3FNUZ": np.dtype(ml_dtypes.float8_e4m3fnuz),
  "F8_E5M2FNUZ": np.dtype(ml_dtypes.float8_e5m2fnuz),
}


def is_one(source: Source, head: bytes) -> bool:
  """Whether a file that begins with `head` is one: a length, then JSON.

  To be asked before others: a length may look like what others begin with.
  """
  size = int.from_bytes(head[:_LENGTH], "little")
  return head[_LENGTH : _LENGTH + 1] == b"{" and size <= source.size


def read(source: Source) -> tuple[Tensors, dict[str, str]]:
  """Returns the tensors of a file, none of them read, and its metadata.

  Raises:
    UserError: if the header is anything but a complete account of the file.
  """
  header, start = _header(source)
  metadata = header.pop("__metadata__", {})
  texts = isinstance(metadata, dict) and all(
    isinstance(x, str) for x in metadata.values()
  )
  if not texts:
    raise source.bad("its __metadata__ is no map of strings", "one")
  spans, tensors = [], {}
  for name, entry in header.items():
    begin, end, tensors[name] = _tensor(source, start, name, entry)
    spans.append((begin, end, name))
  _check_cover(source, sorted(spans), source.size - start)
  return tensors, metadata


def _header(source: Source) -> tuple[dict[str, Any], int]:
  """Returns the header, and the byte at which the tensors begin."""
  if source.size < _LENGTH:
    raise source.bad(
      f"it cannot be read: it has {source.size} bytes", "a header's length in 8"
    )
  size = int.from_bytes(source.read(0, _LENGTH), "little")
  if size > min(MAX_HEADER, source.size - _LENGTH):
    raise source.bad(
      f"its header says that it has {size:,} bytes",
      f"no more than the {source.size - _LENGTH:,} that follow, nor than "
      f"{MAX_HEADER:,}",
    )
  try:
    text = source.read(_LENGTH, size).decode("utf-8")
    header = json.loads(text, object_pairs_hook=_once)
  except (ValueError, RecursionError) as error:
    raise source.bad(f"its header is no JSON ({error})", "JSON") from error
  if not isinstance(header, dict):
    raise source.bad("its header is no JSON object", "names of tensors")
  return header, _LENGTH + size


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
  found = dict(pairs)
  if len(found) != len(pairs):
    raise ValueError("a name is there twice")
  return found


def _tensor(
  source: Source, start: int, name: str, entry: Any
) -> tuple[int, int, Tensor]:
  """Returns where a tensor begins and ends in the file's data, and itself."""
  if not isinstance(entry, Mapping) or set(entry) != _KEYS:
    raise source.bad(f"{name} is {str(entry)[:80]}", f"{sorted(_KEYS)}")
  if not isinstance(entry["dtype"], str) or entry["dtype"] not in DTYPES:
    raise source.bad(
      f"{name} is of dtype {str(entry['dtype'])[:40]}",
      f"one of {', '.join(DTYPES)}",
      "Save it in another dtype.",
    )
  dtype, shape, offsets = DTYPES[entry["dtype"]], entry["shape"], _pair(entry)
  try:
    number = count(shape if isinstance(shape, list) else [-1], dtype)
  except ValueError as error:
    raise source.bad(f"{name} is {error}", "sizes of axes") from error
  if offsets is None or offsets[1] - offsets[0] != number * dtype.itemsize:
    raise source.bad(
      f"{name} lies at {str(entry['data_offsets'])[:80]}",
      f"{number * dtype.itemsize} bytes ({entry['dtype']} {shape})",
    )
  begin, end = offsets
  shape = tuple(shape)
  load = lambda: source.array(start + begin, number, dtype).reshape(shape)
  return begin, end, Tensor(shape, dtype.newbyteorder("="), load)


def _pair(entry: Mapping[str, Any]) -> tuple[int, int] | None:
  pair = entry["data_offsets"]
  if not isinstance(pair, list) or len(pair) != 2:
    return None
  return tuple(pair) if all(type(x) is int for x in pair) else None


def _check_cover(
  source: Source, spans: list[tuple[int, int, str]], size: int
) -> None:
  """Raises an error unless the tensors are all of the data, without overlap."""
  at = 0
  for begin, end, name in spans:
    if begin != at:
      what = "overlaps the one before" if begin < at else "leaves a hole"
      raise source.bad(f"{name} begins at {begin}, which {what}", f"at {at}")
    at = end
  if at != size:
    raise source.bad(f"{size} bytes follow its header", f"{at}, as it says")
