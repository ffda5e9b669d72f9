"""Rectangles that are painted over."""

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp

from vision_jax.core.types import Array, Augment, Batch
from vision_jax.errors import UserError
from vision_jax.ops.augment.clips import on_pixels
from vision_jax.ops.augment.geometry import check_probability
from vision_jax.ops.augment.keys import example_keys, integers, uniforms

Fill = float | Sequence[float] | str


def random_erasing(
  probability: float = 0.25,
  *,
  area: tuple[float, float] = (0.02, 1 / 3),
  aspect: tuple[float, float] = (0.3, 1 / 0.3),
  fill: Fill = 0.0,
) -> Augment:
  """Paints over a rectangle: Zhong et al., https://arxiv.org/abs/1708.04896.

  Differs from the paper: a rectangle that is longer than the image is cut to
  its side, instead of drawn again.

  Args:
    probability: probability that an image is changed.
    area: least and largest part of the image's area, drawn evenly.
    aspect: least and largest height / width, drawn evenly in the logarithm.
    fill: a value, or one for each channel, in the image's own range; or
      "noise", standard normal in each pixel, for normalised float images.
  """
  check_probability(probability)
  if not 0 < area[0] <= area[1] <= 1:
    raise UserError(f"area: got {area}; expected parts (low, high) of (0, 1].")
  if not 0 < aspect[0] <= aspect[1]:
    raise UserError(f"aspect: got {aspect}; expected (low, high) above 0.")
  ratio = tuple(math.log(value) for value in aspect)

  def augment(batch, key):
    h, w = batch["image"].shape[-3:-1]
    draws = uniforms(batch, key, 5).T
    pixels = h * w * (area[0] + (area[1] - area[0]) * draws[0])
    long = jnp.exp(ratio[0] + (ratio[1] - ratio[0]) * draws[1])
    side = lambda value, most: jnp.clip(
      jnp.round(jnp.sqrt(value)).astype(jnp.int32), 1, most
    )
    tall, wide = side(pixels * long, h), side(pixels / long, w)
    top = integers(draws[2], h - tall + 1)
    left = integers(draws[3], w - wide + 1)
    inside = rectangle(h, w, top, left, top + tall, left + wide)
    chosen = (draws[4] < probability)[:, None, None, None]
    return _paint(batch, key, inside & chosen, fill)

  return augment


def cutout(
  size: int, *, probability: float = 1.0, fill: float | Sequence[float] = 0.0
) -> Augment:
  """Paints over a square around a random pixel, cut at the image's border.

  DeVries and Taylor, https://arxiv.org/abs/1708.04552.

  Args:
    size: side in pixels.
    probability: probability that an image is changed.
    fill: see `random_erasing`.
  """
  check_probability(probability)
  if size < 1:
    raise UserError(f"size: got {size}; expected pixels, >= 1.")

  def augment(batch, key):
    h, w = batch["image"].shape[-3:-1]
    draws = uniforms(batch, key, 3).T
    top = integers(draws[0], h) - size // 2
    left = integers(draws[1], w) - size // 2
    inside = rectangle(h, w, top, left, top + size, left + size)
    chosen = (draws[2] < probability)[:, None, None, None]
    return _paint(batch, key, inside & chosen, fill)

  return augment


def rectangle(
  h: int, w: int, top: Array, left: Array, bottom: Array, right: Array
) -> Array:
  """Returns bools (b, h, w, 1): the pixels from top, left until bottom, right.

  The ends are integers (b,), of which the last ones are outside.
  """
  row, column = jnp.arange(h), jnp.arange(w)
  top, left, bottom, right = (x[:, None] for x in (top, left, bottom, right))
  rows = (row >= top) & (row < bottom)
  columns = (column >= left) & (column < right)
  return (rows[:, :, None] & columns[:, None, :])[..., None]


def _paint(batch: Batch, key: Array, inside: Array, fill: Fill) -> Batch:
  image = batch["image"]
  inside = on_pixels(inside, image)
  if fill == "noise":
    paint = _noise(batch, key)
  elif isinstance(fill, str):
    raise UserError(f"fill: got {fill!r}; expected values or 'noise'.")
  else:
    paint = jnp.asarray(fill, image.dtype)
  return {**batch, "image": jnp.where(inside, paint, image)}


def _noise(batch: Batch, key: Array) -> Array:
  image = batch["image"]
  if not jnp.issubdtype(image.dtype, jnp.floating):
    raise UserError(
      f"fill: got 'noise' for {image.dtype} images; expected normalised floats."
    )
  keys = example_keys(batch, jax.random.fold_in(key, 1))
  draw = lambda k: jax.random.normal(k, image.shape[1:], image.dtype)
  return jax.vmap(draw)(keys)
