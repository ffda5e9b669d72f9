"""Weights alone, by the names that `--init_from` reads: model.safetensors.

Names are params/NET/... and stats/NET/...; what there is to tell of the net is
in the header's metadata, each value as JSON.
"""

import pathlib
from collections.abc import Mapping

import jax
import numpy as np
from flax import traverse_util

from vision_jax.errors import RunFailure
from vision_jax.export.net import Net, Run, run
from vision_jax.export.options import How
from vision_jax.files import to_json
from vision_jax.train.checkpoint.weights import read_weights

NAME = "model.safetensors"
NEEDS_IMAGES = False


def write(net: Net, folder: pathlib.Path, how: How) -> None:
  """Writes the weights; fixed nets are files of their own, and left out."""
  from safetensors.flax import save_file

  del how
  about = {name: to_json(value) for name, value in net.about.items()}
  save_file(named(net), folder / NAME, about | {"format": "flax"})


def named(net: Net) -> dict[str, np.ndarray]:
  """Returns the weights by their flat names."""
  both = dict(zip(("params", "stats"), _own(net), strict=True))
  return traverse_util.flatten_dict(both, sep="/")


def read(net: Net, folder: pathlib.Path, how: How) -> Run:
  """Returns the net with the weights of the file.

  Raises:
    RunFailure: if one of them is another.
  """
  del how
  here = jax.sharding.SingleDeviceSharding(jax.devices()[0])
  like = jax.tree.map(
    lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=here), _own(net)
  )
  own = jax.device_get(read_weights(folder / NAME, like)[1]["raw"])
  if not jax.tree.all(jax.tree.map(np.array_equal, own, _own(net))):
    raise RunFailure("read back: the weights differ. Nothing was kept.")
  weights = tuple(
    {**every, **ours} for every, ours in zip(net.weights, own, strict=True)
  )
  return lambda *arrays: run(net.experiment, weights, arrays)


def _own(net: Net) -> tuple[Mapping, Mapping]:
  fixed = net.experiment.fixed
  return tuple(
    {name: x for name, x in nets.items() if name not in fixed}
    for nets in net.weights
  )
