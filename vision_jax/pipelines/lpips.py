"""LPIPS by published weights, from a user's files. Nothing is downloaded.

lpips, lpips_net: files of its weights of channels and of VGG-16's, by which
`lpips` is measured where it is known what was wanted; "" for none.
"""

from typing import Any

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np

from vision_jax.core.types import Array
from vision_jax.errors import UserError
from vision_jax.interop import places
from vision_jax.interop.files import open_tensors
from vision_jax.metrics.perceptual import LPIPS
from vision_jax.models.backbones.vgg import VGG, VGG16
from vision_jax.tasks.perceptual import as_imagenets
from vision_jax.train.checkpoint.parts import FIRST, read_params
from vision_jax.weights import Weights

LEAST = 16  # pixels of a side, which four poolings halve
_EXPECTED = (
  "expected two files: --config.lpips=vgg.pth of LPIPS v0.1, and for "
  "--config.lpips_net torchvision's of VGG-16 (vgg16-397923af.pth), or a "
  "workdir that --mode=import --source=torchvision:vgg16 has made of it."
)


def perceived(config: ml_collections.ConfigDict) -> dict[str, LPIPS]:
  """Returns `lpips` where a config names its files, which measures it."""
  if not (config.lpips or config.lpips_net):
    return {}
  return {"lpips": lpips(config.lpips, config.lpips_net)}


def lpips(channels: str, net: str) -> LPIPS:
  """Returns LPIPS by the maps of VGG-16, version 0.1.

  Images of one channel are seen as grey ones.

  Args:
    channels: the file of the weights of channels, lpips/weights/v0.1/vgg.pth.
    net: torchvision's file of VGG-16, or a workdir with its weights; of either,
      those in the working folder or in that of VISION_JAX_WEIGHTS.

  Raises:
    UserError: if one is not given; on first use, if it is something else.
  """
  if not (channels and net):
    lacks = "lpips" if net else "lpips_net"
    raise UserError(f"--config.{lacks}: got none; {_EXPECTED}")
  model = VGG16(1000)

  def apply(variables: Any, image: Array) -> dict[str, Array]:
    seen = as_imagenets(2 * image - 1)
    return model.apply(variables, seen, train=False, features=True)

  def load() -> tuple[Any, dict[str, np.ndarray]]:
    return _net(model, net), _channels(model, channels)

  return LPIPS(apply, load, LEAST)


def _net(model: VGG, path: str) -> dict[str, Any]:
  image = jnp.zeros((1, LEAST, LEAST, 3))
  like = jax.eval_shape(
    lambda: model.init(jax.random.key(0), image, train=False, features=True)
  )
  try:
    source = Weights(places.find(path), part=FIRST)
    return {"params": read_params(source, like["params"])}
  except UserError as error:
    raise UserError(f"--config.lpips_net: {error} {_EXPECTED}") from error


def _channels(model: VGG, path: str) -> dict[str, np.ndarray]:
  """Returns the weights (c,) of the maps of a file."""
  try:
    tensors = open_tensors(places.find(path)).tensors
  except UserError as error:
    raise UserError(f"--config.lpips: {error} {_EXPECTED}") from error
  wanted = {
    f"lin{i}.model.1.weight": (name, (1, stage[0], 1, 1))
    for i, (name, stage) in enumerate(
      zip(model.strides, model.stages, strict=True)
    )
  }
  shapes = {name: shape for name, (_, shape) in wanted.items()}
  if (got := {name: x.shape for name, x in tensors.items()}) != shapes:
    raise UserError(
      f"--config.lpips: {path} has {got}; expected {shapes}, those of VGG-16: "
      "other nets' weights of channels do not fit it."
    )
  return {
    own: np.asarray(tensors[name].load(), np.float32).reshape(-1)
    for name, (own, _) in wanted.items()
  }
