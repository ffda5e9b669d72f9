"""MATLAB v7.3 files of MatConvNet: the weights of net.layers, by position.

Names are such as "net/layers/0/weights/1". Axes are MATLAB's, so that kernels
are (h, w, c, d), as ours are: HDF5 has them in reverse, and without axes of
size 1 at MATLAB's end.
"""

from collections.abc import Iterator
from typing import Any

from vision_jax.interop.readers import hdf5
from vision_jax.interop.readers.source import Source
from vision_jax.interop.tensors import Tensor, Tensors

MAGIC = b"MATLAB 7.3"
_LAYERS = ("net/layers", "layers")
_SINGLE = ("filters", "biases")  # before 2015
_EMPTY = "MATLAB_empty"


def read(source: Source, inside: Any) -> Tensors:
  """Returns the weights of a net's layers, whose other fields are left out.

  Raises:
    UserError: if there is no net of MatConvNet's simple kind.
  """
  h5py = hdf5.library("h5py", hdf5.EXTRA, source.path)
  for path in _LAYERS:
    if isinstance(inside.get(path), h5py.Dataset):
      layers = hdf5.member(source, inside, path)
      return dict(_weights(source, inside, layers, path))
  raise source.bad(
    f"it holds {', '.join(list(inside)[:8])}",
    "net.layers, a cell of structs with weights, as MatConvNet has it",
    "Save such a net with -v7.3.",
  )


def _weights(
  source: Source, inside: Any, layers: Any, path: str
) -> Iterator[tuple[str, Tensor]]:
  for i, layer in enumerate(_cell(inside, layers)):
    if not hdf5.is_group(layer):
      raise source.bad(f"layer {i} is no struct", "one")
    for name in (x for x in _SINGLE if x in layer):
      yield f"{path}/{i}/{name}", _array(source, layer[name])
    if "weights" in layer:
      for j, x in enumerate(_cell(inside, layer["weights"])):
        if _EMPTY not in x.attrs:
          yield f"{path}/{i}/weights/{j}", _array(source, x)


def _cell(inside: Any, cell: Any) -> list[Any]:
  """Returns what a cell array holds, in MATLAB's order."""
  if _EMPTY in cell.attrs:
    return []
  return [inside[reference] for reference in cell[()].ravel()]


def _array(source: Source, dataset: Any) -> Tensor:
  if not hdf5.holds_numbers(dataset):
    raise source.bad(f"{dataset.name} holds no numbers", "a tensor")
  return hdf5.tensor(source, dataset, reverse=True)
