"""ONNX: the initialisers of a graph, by their names there."""

import pathlib
import re
from typing import Any

import numpy as np

from vision_jax.interop.readers.source import Source, count, library, native
from vision_jax.interop.tensors import Tensor, Tensors

EXTRA = "onnx"
_PACKED = re.compile(r"U?INT[24]$|FLOAT4")  # several numbers in a byte


def read(source: Source) -> tuple[Tensors, dict[str, str]]:
  """Returns the initialisers of a graph, and who made it.

  Raises:
    UserError: if it is damaged, holds none, or leads out of its folder.
  """
  onnx = library("onnx", EXTRA, source.path)
  with source.read_by("an ONNX model"):
    model = onnx.load_model_from_string(source.read(0, source.size))
  tensors: dict[str, Tensor] = {}
  for proto in model.graph.initializer:
    if proto.name in tensors:
      raise source.bad(f"it has two tensors {proto.name[:80]!r}", "one")
    if proto.data_type != onnx.TensorProto.STRING:
      with source.read_by("an ONNX tensor"):
        tensors[proto.name] = _tensor(onnx, source, proto)
  if not tensors:
    raise source.bad("its graph has no initialisers", "an ONNX model of some")
  return tensors, {"producer": model.producer_name}


def _tensor(onnx: Any, source: Source, proto: Any) -> Tensor:
  kind = onnx.TensorProto.DataType.Name(proto.data_type)
  if _PACKED.match(kind):
    raise source.bad(
      f"{proto.name[:80]} is {kind}", "whole bytes", "Unpack it."
    )
  dtype = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(proto.data_type))
  shape = tuple(int(n) for n in proto.dims)
  number = count(shape, dtype)
  if proto.data_location == onnx.TensorProto.EXTERNAL:
    return _external(source, proto, dtype, shape)
  if proto.HasField("raw_data"):
    got, expected = len(proto.raw_data), number * dtype.itemsize
    if got != expected:
      raise source.bad(f"{proto.name[:80]} has {got} bytes", f"{expected}")

  def load() -> np.ndarray:
    with source.read_by("an ONNX tensor"):
      return np.array(onnx.numpy_helper.to_array(proto)).reshape(shape)

  return Tensor(shape, dtype, load)


def _external(
  source: Source, proto: Any, dtype: np.dtype, shape: tuple[int, ...]
) -> Tensor:
  """Returns a tensor that lies in a file beside the model."""
  entries = {entry.key: entry.value for entry in proto.external_data}
  name = entries.get("location", "")
  if not name or name == ".." or pathlib.PurePath(name).name != name:
    raise source.bad(
      f"{proto.name[:80]} lies in {name[:80]!r}",
      "a file in the same folder",
      "Do not use this file: it leads out of its folder.",
    )
  beside = Source.of(source.path.parent / name)
  start, number = int(entries.get("offset", 0)), count(shape, dtype)
  beside.check(start, number * dtype.itemsize)
  ordered = dtype.newbyteorder("<") if dtype.isbuiltin == 1 else dtype
  load = lambda: native(beside.array(start, number, ordered)).reshape(shape)
  return Tensor(shape, dtype, load)
