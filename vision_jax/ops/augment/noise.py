"""Gaussian noise."""

import jax
import jax.numpy as jnp
import numpy as np

from vision_jax.core.types import Augment
from vision_jax.errors import UserError
from vision_jax.ops.augment.clips import on_pixels
from vision_jax.ops.augment.keys import example_keys, uniforms
from vision_jax.ops.augment.levels import ValueRange, check_range


def random_noise(strength: float, *, value_range: ValueRange) -> Augment:
  """Adds independent Gaussian noise to each pixel and channel.

  Its standard deviation is drawn for each image, from 0 to `strength`, so that
  clean ones, which are evaluated, are seen too. Floats are not clipped; padding
  (`image_mask`) stays as it is.

  Args:
    strength: largest standard deviation, where black is 0 and white is 1.
    value_range: (black, white) of the image; uint8 is always (0, 255).
      `normalized_range(mean, std)` gives that of normalised images: the same
      noise as before they were.
  """
  if not 0 <= strength <= 1:
    raise UserError(f"strength: got {strength}; expected 0 to 1.")
  check_range(value_range)
  low, high = (np.asarray(x, np.float32) for x in value_range)

  def augment(batch, key):
    image = batch["image"]
    bytes_ = image.dtype == jnp.uint8
    sizes = strength * on_pixels(uniforms(batch, key, 1)[:, 0], image)
    keys = example_keys(batch, jax.random.fold_in(key, 1))
    draw = lambda k: jax.random.normal(k, image.shape[1:], jnp.float32)
    noise = sizes * jax.vmap(draw)(keys) * (255 if bytes_ else high - low)
    new = image.astype(jnp.float32) + noise
    if bytes_:
      new = jnp.clip(jnp.round(new), 0, 255)
    new = new.astype(image.dtype)
    if "image_mask" in batch:
      shown = on_pixels(batch["image_mask"][..., None] > 0, image)
      new = jnp.where(shown, new, image)
    return {**batch, "image": new}

  return augment
