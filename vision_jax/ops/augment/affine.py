"""One affine map of image, its maps and boxes, with one resampling."""

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp

from vision_jax.core.types import Array, Augment, Batch
from vision_jax.errors import UserError
from vision_jax.ops.augment.boxes import content, cut_boxes
from vision_jax.ops.augment.clips import frames_as_channels
from vision_jax.ops.augment.keys import uniforms
from vision_jax.ops.augment.resample import (
  centre_of,
  linear,
  nearest,
  places_of,
)
from vision_jax.ops.boxes import cxcywh_to_xyxy

Range = tuple[float, float]
NONE: Range = (1.0, 1.0)


def random_affine(
  scale: Range = NONE,
  degrees: float = 0.0,
  *,
  translation: float = 0.0,
  crop: Range = NONE,
  ratio: Range = NONE,
  size: tuple[int, int] | None = None,
  fill: float = 0.0,
  ignore: int = 255,
  visible: float = 0.3,
) -> Augment:
  """Enlarges, turns and moves, and cuts a window at random.

  The angle is uniform, and so are the logarithms of scale, crop and ratio. The
  window lies within the enlarged image where it fits and else contains it
  (before turning). The image is interpolated between four pixels, however much
  it shrinks; `target` and `instances` take their nearest pixel. Where images
  are padded, it all happens within what `image_mask` shows, which stays the
  same.

  A box becomes the one around its moved corners, cut to the window: of a turned
  box that is larger than what it shows. Those of which less than `visible` is
  left, and those padded, get `box_mask` 0.

  Args:
    scale: (smallest, largest) enlargement.
    degrees: the angle is in -degrees ... degrees, counter-clockwise.
    translation: largest move either way, a part of the image's sides.
    crop: (smallest, largest) area that the window sees, as a part of what it
      would see without; more than 1 shrinks the image.
    ratio: (smallest, largest) change of that area's width / height.
    size: (h, w) of the window; None for the image's.
    fill: the image where the window leaves it; 0 is the mean where images are
      normalised.
    ignore: the target there; of `instances` it is background, 0.
    visible: part of a moved box's area that has to stay.
  """
  for name, pair in (("scale", scale), ("crop", crop), ("ratio", ratio)):
    if not 0 < pair[0] <= pair[1]:
      raise UserError(f"{name}: got {pair}; expected 0 < smallest <= largest.")
  if not 0 <= degrees <= 180:
    raise UserError(f"degrees: got {degrees}; expected 0 to 180.")
  for name, part in (("translation", translation), ("visible", visible)):
    if not 0 <= part <= 1:
      raise UserError(f"{name}: got {part}; expected a part, 0 to 1.")

  @frames_as_channels
  def augment(batch, key):
    _check(batch, size)
    draws = uniforms(batch, key, 4)
    zoom = _between(scale, draws[:, 0])
    angle = jnp.deg2rad((2 * draws[:, 1] - 1) * degrees)
    shift = None
    if translation or crop != NONE or ratio != NONE:
      more = uniforms(batch, jax.random.fold_in(key, 1), 4)
      zoom = _cropped(zoom, _between(crop, more[:, 0]), ratio, more[:, 1])
      shift = (2 * more[:, 2:] - 1) * translation
    moves = {"zoom": zoom, "angle": angle, "draw": draws[:, 2:]}
    moves |= {} if shift is None else {"shift": shift}
    return (
      batch
      | _moved_pixels(batch, moves, size, fill, ignore)
      | (_moved_boxes(batch, moves, size, visible) if "boxes" in batch else {})
    )

  return augment


def _between(pair: Range, draw: Array) -> Array:
  low, high = jnp.log(pair[0]), jnp.log(pair[1])
  return jnp.exp(low + draw * (high - low))


def _cropped(zoom: Array, area: Array, ratio: Range, draw: Array) -> Array:
  """Returns the enlargement (b, 2) of y and x that shows such an area."""
  skew = jnp.sqrt(_between(ratio, draw))
  zoom = zoom / jnp.sqrt(area)
  return jnp.stack([zoom * skew, zoom / skew], -1)


def _moved_pixels(
  batch: Batch,
  moves: Batch,
  size: Sequence[int] | None,
  fill: float,
  ignore: int,
) -> Batch:
  """Returns the image, and its maps where there are any, resampled."""
  image = batch["image"]
  whole = image.shape[1:3]
  window = size or whole
  if "image_mask" in batch:
    return {"image": _padded(batch, moves, fill)}
  places = jax.vmap(lambda m: places_of(whole, window, **m))(moves)
  seen = jax.vmap(lambda x, p: linear(x, p, fill))
  new = {"image": _as(seen(image.astype(jnp.float32), places), image.dtype)}
  for name, outside in (("target", ignore), ("instances", 0)):
    if name in batch:
      near = jax.vmap(functools.partial(nearest, ignore=outside))
      new[name] = near(batch[name], places)
  return new


def _padded(batch: Batch, moves: Batch, fill: float) -> Array:
  """Resamples what the mask shows; padding stays as it is."""
  image, mask = batch["image"], batch["image_mask"]

  def one(x, whole, m):
    places = places_of(whole, whole, **m, shape=x.shape[:2])
    return linear(x, places, fill, whole)

  seen = jax.vmap(one)(image.astype(jnp.float32), content(batch), moves)
  return jnp.where(mask[..., None] > 0, _as(seen, image.dtype), image)


def _moved_boxes(
  batch: Batch, moves: Batch, size: Sequence[int] | None, visible: float
) -> Batch:
  whole = content(batch)
  window = whole
  if size is not None:
    window = jnp.broadcast_to(jnp.array(size, jnp.float32), whole.shape)
  corners = cxcywh_to_xyxy(batch["boxes"])
  moved = jax.vmap(_around)(corners, whole, window, moves)
  return cut_boxes(batch, moved, visible)


def _around(corners: Array, whole: Array, window: Array, moves: Batch) -> Array:
  """Returns the boxes (n, 4) xyxy around the moved corners of others.

  Both are in parts, of the image and of the window.
  """
  angle = moves["angle"]
  place = {k: x for k, x in moves.items() if k != "angle"}
  low, high = corners[:, 1::-1], corners[:, :1:-1]  # y, x
  mixed = [jnp.stack([low[:, 0], high[:, 1]], -1)]
  mixed += [jnp.stack([high[:, 0], low[:, 1]], -1)]
  points = jnp.stack([low, high, *mixed], 1) * whole
  away = (points - centre_of(whole, window, **place)) * moves["zoom"]
  y, x = away[..., 0], away[..., 1]
  sin, cos = jnp.sin(angle), jnp.cos(angle)
  turned = jnp.stack([sin * y + cos * x, cos * y - sin * x], -1)
  turned = turned / window[::-1] + 0.5  # x, y
  return jnp.concatenate([turned.min(1), turned.max(1)], -1)


def _as(image: Array, dtype) -> Array:
  if jnp.issubdtype(dtype, jnp.integer):
    image = jnp.round(image)
  return image.astype(dtype)


def _check(batch: Batch, size: Sequence[int] | None) -> None:
  placed = sorted({"masks", "depth", "keypoints"} & set(batch))
  if size is not None or {"target", "instances"} & set(batch):
    placed += sorted({"image_mask"} & set(batch))
  if placed:
    raise UserError(
      "random_affine moves image, boxes, and a target of images without "
      f"padding; the batch has {placed} as well. Use an augmentation that "
      "moves them together."
    )
