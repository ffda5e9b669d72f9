"""The net whose maps content and style are compared by: VGG-19."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from vision_jax.core.types import Array
from vision_jax.data.transforms.preprocess import IMAGENET_MEAN, IMAGENET_STD
from vision_jax.errors import UserError
from vision_jax.interop import places
from vision_jax.losses.style import style_of
from vision_jax.models.backbones.vgg import VGG, VGG19
from vision_jax.ops.inputs import normalize
from vision_jax.train.checkpoint.parts import FIRST, read_params
from vision_jax.weights import Weights

CONTENT = ("relu4_2",)
STYLE = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
LAYERS = (*STYLE, *CONTENT)
LEAST = 16  # pixels of a side, which four poolings halve
Maps = dict[str, Array]


@dataclasses.dataclass(frozen=True)
class StyleNet:
  """A VGG with its weights.

  Attributes:
    model: a VGG; its `layers` have to be among them `CONTENT` and `STYLE`.
    variables: its parameters.
    trained: whether these are of a file; else they are random.
  """

  model: VGG
  variables: Mapping[str, Any]
  trained: bool

  def maps(self, variables: Mapping[str, Any], pixels: Array) -> Maps:
    """Returns the maps of images (b, h, w, 3) in [0, 1], by layer."""
    image = normalize(IMAGENET_MEAN, IMAGENET_STD)({"image": pixels})["image"]
    return self.model.apply(variables, image, train=False, features=True)

  def content(self, variables: Mapping[str, Any], pixels: Array) -> Maps:
    """Returns the maps that the content of images is compared by."""
    maps = self.maps(variables, pixels)
    return {name: maps[name] for name in CONTENT}

  def style(self, variables: Mapping[str, Any], pixels: Array) -> Maps:
    """Returns the Gram matrices that the style of images is compared by."""
    maps = self.maps(variables, pixels)
    return {name: style_of(maps[name]) for name in STYLE}


def style_net(
  file: str | None, *, average: bool = False, model: VGG | None = None
) -> StyleNet:
  """Returns VGG-19 with the weights of a file.

  Args:
    file: torchvision's or timm's file, a workdir that `--mode=import` has made
      of one, or another that `--init_from` takes; in the working folder or in
      that of VISION_JAX_WEIGHTS. None draws random weights.
    average: whether maps are pooled by means, as in the paper.
    model: in the place of VGG-19.

  Raises:
    UserError: if there is no such file, or it is of another net.
  """
  model = model or VGG19(1000, layers=LAYERS)
  model = model.clone(average=average)
  image = jnp.zeros((1, LEAST, LEAST, 3))
  key = jax.random.key(0)
  make = lambda: model.init(key, image, train=False, features=True)
  if not file:
    return StyleNet(model, jax.jit(make)(), trained=False)
  like = jax.eval_shape(make)["params"]
  try:
    params = read_params(Weights(places.find(file), part=FIRST), like)
  except UserError as error:
    raise UserError(
      f"--weights_file: {error} Expected weights of VGG-19: torchvision's "
      "file, or a workdir that --mode=import --source=torchvision:vgg19 has "
      "made of it."
    ) from error
  return StyleNet(model, {"params": params}, trained=True)
