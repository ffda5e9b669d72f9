"""The net that images are compared by, trained elsewhere, or random."""

import logging
from collections.abc import Mapping

import flax.linen as nn

from vision_jax.models.backbones.vgg import VGG, VGG16
from vision_jax.weights import Weights

_LOG = logging.getLogger(__name__)
_RANDOM = ((16, 16), (32, 32), (64, 64))


def perceptual_net(
  path: str, name: str
) -> tuple[nn.Module, Mapping[str, Weights]]:
  """Returns a VGG, and the weights that it has as a fixed net of a name.

  Args:
    path: a workdir with a VGG-16, which `--mode=import` makes of torchvision's
      file. "" is a narrow one with random weights, which is told.
    name: of the net.
  """
  if path:
    return VGG16(1000), {name: Weights(path, part="model")}
  _LOG.warning(
    "perceptual: no weights are given, so the maps that images are compared by "
    "are those of random filters. --mode=import --source=torchvision:vgg16 "
    "makes a workdir for --config.judge."
  )
  return VGG(1, _RANDOM), {}
