"""RandAugment: Cubuk et al., https://arxiv.org/abs/1909.13719.

Each image gets `num_ops` of the 14 operations, drawn evenly. M, of 0 ... 10, is
the paper's scale, on which 10 is the strongest of AutoAugment:

  identity, autocontrast, equalize    no strength
  rotate                              +- 30 M / 10 degrees
  shear_x, shear_y                    +- 0.3 M / 10
  translate_x, translate_y            +- 0.45 M / 10 of the side
  color, contrast, brightness,
  sharpness                           factor 1 +- 0.9 M / 10
  solarize                            threshold 256 (1 - M / 10)
  posterize                           8 - 4 M / 10 bits, rounded

Differs from the paper: posterize and solarize grow stronger with M, where its
code grows weaker; signs are drawn for the four factors too.
"""

import jax.numpy as jnp
import numpy as np

from vision_jax.core.types import Array, Augment
from vision_jax.errors import UserError
from vision_jax.forms.choice import form
from vision_jax.ops.augment import pixels, warp
from vision_jax.ops.augment.clips import as_frames
from vision_jax.ops.augment.geometry import check_image_only
from vision_jax.ops.augment.keys import integers, uniforms
from vision_jax.ops.augment.levels import (
  ValueRange,
  check_range,
  from_levels,
  to_levels,
)
from vision_jax.ops.augment.tables import equalizing, histogram, look_up

OPERATIONS = (
  "identity",
  "autocontrast",
  "equalize",
  "rotate",
  "solarize",
  "color",
  "posterize",
  "contrast",
  "brightness",
  "sharpness",
  "shear_x",
  "shear_y",
  "translate_x",
  "translate_y",
)


def rand_augment(
  num_ops: int = 2,
  magnitude: float = 9.0,
  *,
  value_range: ValueRange,
  fill: float = 0.5,
) -> Augment:
  """Returns the augmentation; images have 1 or 3 channels.

  Args:
    num_ops: N, operations on each image.
    magnitude: M, 0 ... 10.
    value_range: (black, white) of the image; uint8 is always (0, 255).
      `normalized_range(mean, std)` gives that of normalised images.
    fill: the grey that moves in from outside; 0 is black and 1 white.
  """
  if num_ops < 1:
    raise UserError(f"num_ops: got {num_ops}; expected >= 1.")
  if not 0 <= magnitude <= 10:
    raise UserError(f"magnitude: got {magnitude}; expected 0 ... 10.")
  check_range(value_range)

  def augment(batch, key):
    check_image_only(batch, "rand_augment")
    draws = uniforms(batch, key, 2 * num_ops)
    image, draws = as_frames(batch["image"], draws)
    # Images from elsewhere than uint8 may lie outside black and white.
    x = jnp.clip(to_levels(image, value_range), 0, 255)
    if form("levels") == "uint8":  # a quarter of the bytes for what follows
      x = jnp.round(x).astype(jnp.uint8)
    for i in range(num_ops):
      operation = integers(draws[:, 2 * i], len(OPERATIONS))
      negative = draws[:, 2 * i + 1] < 0.5
      x = apply_operations(x, operation, negative, magnitude, 255 * fill)
    x = x.astype(jnp.float32)
    new = from_levels(x, image, value_range)
    return {**batch, "image": new.reshape(batch["image"].shape)}

  return augment


def apply_operations(
  x: Array,
  operation: Array,
  negative: Array,
  magnitude: float,
  fill: float = 127.5,
) -> Array:
  """Applies to each image the one operation that it is given.

  All images go through one gather, of which the matrix is the operation's, and
  through one blend; a `switch` under vmap would compute all fourteen.

  Args:
    x: planes (b, c, h, w) of levels in [0, 255], float32 or, rounded after
      each operation as in Pillow, uint8.
    operation: index into OPERATIONS, int (b,).
    negative: whether a signed operation goes the other way, bool (b,).
    magnitude: M, 0 ... 10.
    fill: level that moves in from outside.
  """
  strength = magnitude / 10
  matrices = _matrices(strength, *x.shape[2:])
  matrix = jnp.asarray(matrices)[negative.astype(jnp.int32), operation]
  factor = 1 + 0.9 * strength * jnp.where(negative, -1, 1)
  factor = factor[:, None, None, None]
  if x.dtype == jnp.uint8:
    x = warp.affine(x, matrix, int(fill))
    return _change_bytes(x, operation, factor, strength)
  return _change_levels(
    warp.affine(x, matrix, fill), operation, factor, strength
  )


def _matrices(strength: float, h: int, w: int) -> np.ndarray:
  """Returns (2, 14, 6): the matrix of each sign and operation."""
  table = np.tile(np.asarray(warp.IDENTITY, np.float32), (2, 14, 1))
  for negative, sign in enumerate((strength, -strength)):
    of = dict(zip(OPERATIONS, table[negative], strict=True))
    of["rotate"][:] = warp.rotation(30 * sign, h, w)
    of["shear_x"][1] = 0.3 * sign
    of["shear_y"][3] = 0.3 * sign
    of["translate_x"][2] = 0.45 * sign * w
    of["translate_y"][5] = 0.45 * sign * h
  return table


def _change_levels(x, operation, factor, strength):
  """Applies the operations that leave pixels in their places."""
  of = _asks(operation)
  gray = pixels.gray(x)
  base = jnp.where(of("color"), gray, 0.0)
  base = jnp.where(of("contrast"), jnp.mean(gray, (2, 3), keepdims=True), base)
  base = jnp.where(of("sharpness"), pixels.smooth(x), base)
  blends = of("color") | of("contrast") | of("sharpness") | of("brightness")
  new = jnp.where(blends, pixels.blend(base, x, factor), x)
  for name, changed in (
    ("autocontrast", pixels.autocontrast(x)),
    ("equalize", pixels.equalize(x)),
    ("solarize", pixels.solarize(x, 256 * (1 - strength))),
    ("posterize", pixels.posterize(x, 8 - round(4 * strength))),
  ):
    new = jnp.where(of(name), changed, new)
  return new


def _change_bytes(x, operation, factor, strength):
  """`_change_levels` of uint8: a table of levels, or a blend of neighbours."""
  of = _asks(operation)
  values = x.astype(jnp.float32)
  gray = pixels.gray(values)
  base = jnp.where(of("color"), gray, pixels.smooth(values))
  mixed = pixels.blend(base, values, factor)
  mean = jnp.mean(gray, (2, 3), keepdims=True)
  table = _table(x, values, mean, of, factor, strength)
  changed = look_up(jnp.round(table).astype(jnp.uint8), x)
  mixes = of("color") | of("sharpness")
  return jnp.where(mixes, jnp.round(mixed).astype(jnp.uint8), changed)


def _table(x, values, mean, of, factor, strength):
  """Returns the new levels (b, c, 256) of each image's operation."""
  b, c, h, w = x.shape
  # As the one row of an image that has every level.
  old = jnp.broadcast_to(jnp.arange(256.0), (b, c, 1, 256))
  low = jnp.min(values, (2, 3), keepdims=True)
  high = jnp.max(values, (2, 3), keepdims=True)
  new = old
  for name, changed in (
    ("brightness", pixels.blend(0.0, old, factor)),
    ("contrast", pixels.blend(mean, old, factor)),
    ("autocontrast", pixels.stretch(old, low, high)),
    ("equalize", equalizing(histogram(x), h * w)[:, :, None]),
    ("solarize", pixels.solarize(old, 256 * (1 - strength))),
    ("posterize", pixels.posterize(old, 8 - round(4 * strength))),
  ):
    new = jnp.where(of(name), changed, new)
  return jnp.clip(new, 0, 255)[:, :, 0]


def _asks(operation):
  """Returns name -> whether each image asks for that operation (b, 1, 1, 1)."""
  return lambda name: (operation == OPERATIONS.index(name))[:, None, None, None]
