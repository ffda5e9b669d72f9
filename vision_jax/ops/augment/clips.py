"""Augmentations of clips (b, t, h, w, c): one draw for all frames of a clip."""

import functools

import jax.numpy as jnp

from vision_jax.core.types import Array, Augment
from vision_jax.errors import UserError
from vision_jax.ops.shapes import check_shape


def frames_as_channels(augment: Augment) -> Augment:
  """Lets an augmentation of images that treats channels alike take clips.

  A clip's frames are an image's channels to it, so that all are changed alike:
  `image`, and `target` (b, t, h, w) where there is one. Boxes (b, n, 4) hold
  for all frames.

  Raises:
    UserError: when traced, for boxes of each frame.
  """

  @functools.wraps(augment)
  def of_clips(batch, key):
    image, folded = batch["image"], dict(batch)
    if image.ndim == 4:
      return augment(batch, key)
    *_, c = check_shape("image", image, "b t h w c")
    if "boxes" in batch and batch["boxes"].ndim != 3:
      raise UserError(
        f"boxes: got shape {batch['boxes'].shape} with clips; expected "
        "(b, n, 4), which hold for all frames."
      )
    planes = jnp.moveaxis(image, 1, 3)
    folded["image"] = planes.reshape(*planes.shape[:3], -1)
    if "target" in batch:
      folded["target"] = jnp.moveaxis(batch["target"], 1, 3)
    new = {**augment(folded, key)}
    planes = new["image"].reshape(*new["image"].shape[:3], -1, c)
    new["image"] = jnp.moveaxis(planes, 3, 1)
    if "target" in batch:
      new["target"] = jnp.moveaxis(new["target"], 3, 1)
    return new

  return of_clips


def as_frames(image: Array, draws: Array) -> tuple[Array, Array]:
  """Returns images (b t, h, w, c), and for each its example's draws (b t, n).

  Of images (b, h, w, c) they are what was given.
  """
  if image.ndim == 4:
    return image, draws
  _, t, *shape = check_shape("image", image, "b t h w c")
  return image.reshape(-1, *shape), jnp.repeat(draws, t, axis=0)


def on_pixels(x: Array, image: Array) -> Array:
  """Returns x (b, ...) of images, shaped so that it meets those of clips.

  Of one value for each example, or of one for each pixel (b, h, w, 1).
  """
  if x.ndim == 1:
    return x.reshape(-1, *[1] * (image.ndim - 1))
  return x.reshape(len(x), *[1] * (image.ndim - 4), *x.shape[1:])
