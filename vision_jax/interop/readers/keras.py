"""Keras' HDF5 files: layers in their order, weights by Keras' names.

Names are such as "conv2d/kernel:0"; kernels are (h, w, c, d), as ours are.
"""

import itertools
from typing import Any

from vision_jax.interop.readers import hdf5
from vision_jax.interop.readers.source import Source
from vision_jax.interop.tensors import Tensors

LAYERS = "layer_names"
_MODEL = "model_weights"  # where a whole model has them; else they are on top


def root(inside: Any) -> Any:
  """Returns the group of the layers, or None if it is no file of Keras'."""
  whole = inside.get(_MODEL)
  group = whole if hdf5.is_group(whole) else inside
  return group if LAYERS in group.attrs or f"{LAYERS}0" in group.attrs else None


def read(source: Source, group: Any) -> Tensors:
  """Returns the weights of all layers; the optimizer's are left out."""
  tensors = {}
  for layer in _texts(group, LAYERS):
    inner = hdf5.member(source, group, layer)
    for weight in _texts(inner, "weight_names"):
      if weight in tensors:
        raise source.bad(f"it has two weights {weight[:80]}", "one of a name")
      dataset = hdf5.member(source, inner, weight)
      if not hdf5.holds_numbers(dataset):
        raise source.bad(f"{weight[:80]} holds no numbers", "a tensor")
      tensors[weight] = hdf5.tensor(source, dataset)
  return tensors


def _texts(group: Any, name: str) -> list[str]:
  """Returns an attribute of texts, which is in parts if it is long."""
  if name in group.attrs:
    parts = [group.attrs[name]]
  else:
    numbered = (f"{name}{i}" for i in itertools.count())
    found = itertools.takewhile(lambda x: x in group.attrs, numbered)
    parts = [group.attrs[x] for x in found]
  texts = itertools.chain.from_iterable(parts)
  return [x.decode() if isinstance(x, bytes) else str(x) for x in texts]
