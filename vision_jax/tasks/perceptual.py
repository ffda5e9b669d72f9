"""The net of a task by whose maps images are compared, which is not trained."""

from collections.abc import Callable

import flax.linen as nn
import jax.numpy as jnp

from vision_jax.core.types import Array, Nets
from vision_jax.errors import UserError
from vision_jax.tasks.net import Net

PERCEPTUAL = "perceptual"
# Of the pixels that nets trained on ImageNet take, in [0, 1].
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def initial_judge(
  judge: nn.Module, key: Array, image: Array
) -> tuple[Nets, Nets]:
  """Returns parameters and statistics of the net, as "perceptual".

  Args:
    judge: (image, *, train, features=True) -> maps by name.
    key: of its random weights, where the experiment does not fix others.
    image: (b, h, w, 1 or 3).
  """
  variables = dict(
    judge.init(key, as_imagenets(image), train=False, features=True)
  )
  return {PERCEPTUAL: variables.pop("params")}, {PERCEPTUAL: variables}


def maps_by(
  judge: nn.Module, params: Nets, stats: Nets
) -> Callable[[Array], dict[str, Array]]:
  """Returns what makes maps, by name, of images in [-1, 1]."""
  net = Net(judge, PERCEPTUAL).given(params, stats)
  return lambda image: net(as_imagenets(image), train=False, features=True)


def as_imagenets(image: Array) -> Array:
  """Returns images of [-1, 1] with three channels, as nets of ImageNet see.

  Raises:
    UserError: for other channels than 1 or 3.
  """
  if image.shape[-1] not in (1, 3):
    raise UserError(
      f"image: got {image.shape[-1]} channels; expected 1 or 3, which the "
      "perceptual net takes."
    )
  image = jnp.broadcast_to(image, (*image.shape[:-1], 3))
  return ((image + 1) / 2 - jnp.asarray(_MEAN)) / jnp.asarray(_STD)
