"""Random brightness, contrast, saturation and hue, and none of them."""

import jax.numpy as jnp

from vision_jax.core.types import Augment
from vision_jax.errors import UserError
from vision_jax.ops.augment import pixels
from vision_jax.ops.augment.clips import as_frames
from vision_jax.ops.augment.geometry import check_probability
from vision_jax.ops.augment.keys import uniforms
from vision_jax.ops.augment.levels import (
  ValueRange,
  check_range,
  from_levels,
  to_levels,
)


def color_jitter(
  brightness: float = 0.0,
  contrast: float = 0.0,
  saturation: float = 0.0,
  hue: float = 0.0,
  *,
  value_range: ValueRange,
  probability: float = 1.0,
) -> Augment:
  """Scales brightness, contrast and saturation, and turns the hue, in turn.

  Differs from the usual (https://arxiv.org/abs/1312.5402 and after): the order
  is this one, not random. Images have 1 or 3 channels.

  Args:
    brightness: factors are drawn from 1 - brightness ... 1 + brightness, not
      below 0; those of contrast and saturation likewise.
    contrast: around the image's mean luma.
    saturation: around each pixel's luma.
    hue: largest turn either way, a part of the circle up to 0.5.
    value_range: (black, white) of the image; uint8 is always (0, 255).
    probability: probability that an image is changed at all.
  """
  for name, value, most in (
    ("brightness", brightness, float("inf")),
    ("contrast", contrast, float("inf")),
    ("saturation", saturation, float("inf")),
    ("hue", hue, 0.5),
  ):
    if not 0 <= value <= most:
      raise UserError(f"{name}: got {value}; expected 0 ... {most}.")
  check_probability(probability)
  check_range(value_range)

  def augment(batch, key):
    image, draws = as_frames(batch["image"], uniforms(batch, key, 5))
    draws = draws[:, :, None, None, None]
    factor = lambda i, size: _between(max(0, 1 - size), 1 + size, draws[:, i])
    old = x = to_levels(image, value_range)
    if brightness:
      x = pixels.blend(0.0, x, factor(0, brightness))
    if contrast:
      x = pixels.blend(pixels.mean_gray(x), x, factor(1, contrast))
    if saturation:
      x = pixels.blend(pixels.gray(x), x, factor(2, saturation))
    if hue:
      x = pixels.adjust_hue(x, _between(-hue, hue, draws[:, 3]))
    x = jnp.where(draws[:, 4] < probability, x, old)
    new = from_levels(x, image, value_range)
    return {**batch, "image": new.reshape(batch["image"].shape)}

  return augment


def random_gray(
  probability: float = 0.2, *, value_range: ValueRange
) -> Augment:
  """Leaves of an image its luma, in each of its 3 channels.

  Args:
    probability: probability of it.
    value_range: (black, white) of the image; uint8 is always (0, 255).
  """
  check_probability(probability)
  check_range(value_range)

  def augment(batch, key):
    image, draws = as_frames(batch["image"], uniforms(batch, key, 1))
    levels = to_levels(image, value_range)
    chosen = draws[:, :, None, None] < probability
    levels = jnp.where(chosen, pixels.gray(levels), levels)
    new = from_levels(levels, image, value_range)
    return {**batch, "image": new.reshape(batch["image"].shape)}

  return augment


def _between(low, high, uniform):
  return low + (high - low) * uniform
