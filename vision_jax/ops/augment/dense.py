"""Augmentations that move image and `target` together.

`random_flip` of `geometry.py` does too; what changes colours only moves nothing
and goes beside these in `sequence`.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from vision_jax.core.types import Array, Batch
from vision_jax.errors import UserError
from vision_jax.ops.augment.keys import integers, uniforms

Augment = Callable[[Batch, Array], Batch]


def random_window(size: tuple[int, int]) -> Augment:
  """Cuts a window (h, w) at random out of image (b, H, W, c) and target.

  Raises:
    UserError: when traced, if images are smaller.
  """

  def augment(batch, key):
    _check(batch, "random_window")
    whole = batch["image"].shape[1:3]
    room = [n - m for n, m in zip(whole, size, strict=True)]
    if min(room) < 0:
      raise UserError(
        f"random_window: got images {whole}; expected {tuple(size)} at least. "
        "Make them larger on the host, or the window smaller."
      )
    draws = uniforms(batch, key, 2)
    place = jnp.stack(
      [integers(draws[:, i], n + 1) for i, n in enumerate(room)], -1
    )
    return batch | _cut(batch, place, tuple(size))

  return augment


def random_scale_rotate(
  scale: tuple[float, float] = (0.5, 2.0),
  degrees: float = 0.0,
  *,
  size: tuple[int, int] | None = None,
  fill: float = 0.0,
  ignore: int = 255,
) -> Augment:
  """Enlarges and turns image and target, and cuts a window at random.

  The logarithm of the scale and the angle are uniform. The window lies within
  the enlarged image where it fits and else contains it (before turning). The
  image is interpolated, the target takes its nearest pixel.

  Args:
    scale: (smallest, largest) enlargement.
    degrees: the angle is in -degrees ... degrees, counter-clockwise.
    size: (h, w) of the window; None for the image's.
    fill: the image where the window leaves it; 0 is the mean where images are
      normalised.
    ignore: the target there.
  """
  if not 0 < scale[0] <= scale[1]:
    raise UserError(f"scale: got {scale}; expected 0 < smallest <= largest.")
  if not 0 <= degrees <= 180:
    raise UserError(f"degrees: got {degrees}; expected 0 to 180.")

  def augment(batch, key):
    _check(batch, "random_scale_rotate")
    draws = uniforms(batch, key, 4)
    low, high = jnp.log(scale[0]), jnp.log(scale[1])
    zoom = jnp.exp(low + draws[:, 0] * (high - low))
    angle = jnp.deg2rad((2 * draws[:, 1] - 1) * degrees)
    window = size or batch["image"].shape[1:3]
    new = dict(batch)
    places = jax.vmap(
      lambda z, a, d: places_of(batch["image"].shape[1:3], window, z, a, d)
    )(zoom, angle, draws[:, 2:])
    image = batch["image"].astype(jnp.float32)
    linear = jax.vmap(lambda x, p: _linear(x, p, fill))(image, places)
    new["image"] = _as(linear, batch["image"].dtype)
    if "target" in batch:
      new["target"] = jax.vmap(lambda x, p: nearest(x, p, ignore))(
        batch["target"], places
      )
    return new

  return augment


def places_of(whole, window, zoom, angle, draw):
  """Where in the image each pixel of the window lies: (h, w, 2) y, x."""
  whole = jnp.asarray(whole, jnp.float32)
  extent = jnp.asarray(window, jnp.float32) / zoom
  centre = whole / 2 + (draw - 0.5) * jnp.abs(whole - extent)
  y, x = jnp.meshgrid(
    *(jnp.arange(n) + 0.5 - n / 2 for n in window), indexing="ij"
  )
  sin, cos = jnp.sin(angle) / zoom, jnp.cos(angle) / zoom
  turned = jnp.stack([cos * y + sin * x, cos * x - sin * y], -1)
  return centre + turned - 0.5


def _linear(image, places, fill):
  """Interpolates image (h, w, c) at places (h', w', 2)."""
  low = jnp.floor(places)
  part = places - low
  low = low.astype(jnp.int32)
  total = 0.0
  for i in (0, 1):
    for j in (0, 1):
      y, x = low[..., 0] + i, low[..., 1] + j
      weight = jnp.abs(1 - i - part[..., 0]) * jnp.abs(1 - j - part[..., 1])
      total += weight[..., None] * _at(image, y, x, fill)
  return total


def nearest(target, places, ignore):
  """Returns target (h, w) at places (h', w', 2); `ignore` outside it."""
  y, x = jnp.moveaxis(jnp.floor(places + 0.5).astype(jnp.int32), -1, 0)
  return _at(target, y, x, ignore)


def _at(x, row, column, fill):
  """Returns x[row, column], `fill` where that is outside."""
  h, w = x.shape[:2]
  inside = (row >= 0) & (row < h) & (column >= 0) & (column < w)
  flat = x.reshape(h * w, *x.shape[2:])
  place = jnp.clip(row, 0, h - 1) * w + jnp.clip(column, 0, w - 1)
  found = jnp.take(flat, place, axis=0, mode="clip")
  inside = inside.reshape(*inside.shape, *[1] * (found.ndim - 2))
  return jnp.where(inside, found, jnp.asarray(fill, x.dtype))


def _as(image, dtype):
  if jnp.issubdtype(dtype, jnp.integer):
    image = jnp.round(image)
  return image.astype(dtype)


def _cut(batch, place, size):
  def cut(x):
    window = lambda x, p: jax.lax.dynamic_slice(
      x, (*p, *[0] * (x.ndim - 2)), (*size, *x.shape[2:])
    )
    return jax.vmap(window)(x, place)

  return {k: cut(batch[k]) for k in ("image", "target") if k in batch}


def _check(batch: Batch, name: str) -> None:
  placed = sorted({"boxes", "masks"} & set(batch))
  if placed:
    raise UserError(
      f"{name} moves image and target; the batch has {placed} as well. Use an "
      "augmentation that moves them together."
    )
