"""Augmentations that move image, boxes and padding mask together.

And the objects' `masks` (b, n, h, w) and `keypoints` (b, n, j, 3), where a
batch has them.
`random_flip` of `geometry.py` does where images fill their canvas; the one here
also mirrors within what `image_mask` shows. What changes colours only goes
beside these in `sequence`.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from vision_jax.core.types import Array, Augment, Batch
from vision_jax.errors import UserError
from vision_jax.ops.augment.clips import frames_as_channels
from vision_jax.ops.augment.geometry import check_probability
from vision_jax.ops.augment.keypoints import mirror_points, points_in
from vision_jax.ops.augment.keys import uniforms
from vision_jax.ops.boxes import cxcywh_to_xyxy, xyxy_to_cxcywh


def random_flip_boxes(
  probability: float = 0.5,
  *,
  vertical: float = 0.0,
  mirrored: Sequence[int] | None = None,
) -> Augment:
  """Mirrors image and boxes left and right, and top and bottom.

  Args:
    probability: probability of exchanging left and right.
    vertical: probability of top and bottom, for images without an up.
    mirrored: of keypoints, see `mirror_points`; None where there are none.
  """
  check_probability(probability)
  check_probability(vertical)

  @frames_as_channels
  def augment(batch, key):
    _check(batch, "random_flip_boxes")
    draws = uniforms(batch, key, 2)
    new = dict(batch)
    for axis, prob in ((0, probability), (1, vertical)):
      if prob:
        new |= _mirror(new, draws[:, axis] < prob, axis, mirrored)
    return new

  return augment


def random_crop_boxes(
  scale: tuple[float, float] = (0.5, 1.0),
  *,
  ratio: tuple[float, float] = (1.0, 1.0),
  probability: float = 1.0,
  visible: float = 0.3,
  fill: float = 0.0,
) -> Augment:
  """Cuts a window of random size and place out, and enlarges it to the image.

  DETR's random size crop and, where sides above 1 shrink the image into a
  larger frame, the scale jitter of Ghiasi et al. (2021,
  https://arxiv.org/abs/2012.07177). Boxes are cut to the window; those of which
  less than `visible` is left, and those padded, get `box_mask` 0.

  Without `image_mask` the window fills the canvas, so that its proportions
  become the canvas's. With it proportions stay, and the rest is padding, that
  of a window which is larger than the image too: the image, made smaller,
  is then all that the mask shows.

  Args:
    scale: (smallest, largest) side of the window as a part of the image's;
      the logarithm is uniform.
    ratio: (smallest, largest) factor between the parts of width and height.
    probability: probability that an example is changed at all.
    visible: part of a box's area that has to stay.
    fill: the image where the window leaves it; padding is 0.
  """
  for name, pair in (("scale", scale), ("ratio", ratio)):
    if not 0 < pair[0] <= pair[1]:
      raise UserError(f"{name}: got {pair}; expected 0 < smallest <= largest.")
  check_probability(probability)
  if not 0 <= visible <= 1:
    raise UserError(f"visible: got {visible}; expected a part, 0 to 1.")

  @frames_as_channels
  def augment(batch, key):
    _check(batch, "random_crop_boxes")
    draws = uniforms(batch, key, 5)
    window = _windows(draws, scale, ratio)
    whole = jnp.array([0.0, 0.0, 1.0, 1.0], jnp.float32)
    changed = draws[:, 4] < probability
    window = jnp.where(changed[:, None], window, whole)
    factor = _factor(batch, window)
    if "image_mask" not in batch:
      image = {"image": _resample(batch["image"], window, factor, batch, fill)}
    else:
      window = _inside(window)
      image = _cut_padded(batch, window, factor)
    moved = _seen_from(batch["boxes"], window)
    new = batch | image | cut_boxes(batch, moved, visible)
    if "masks" in batch:
      new["masks"] = _seen_masks(batch, window, factor, new["box_mask"])
    if "keypoints" in batch:
      new["keypoints"] = points_in(batch["keypoints"], window, new["box_mask"])
    return new

  return augment


def scale_jitter(
  scale: tuple[float, float] = (0.1, 2.0), **options: float
) -> Augment:
  """Makes images larger or smaller at random, and cuts or pads to their size.

  Large-scale jitter of Ghiasi et al., 2021, https://arxiv.org/abs/2012.07177;
  (0.8, 1.25) is what they call the standard one. It is `random_crop_boxes` with
  the inverse of the window's sides, so that the scale's logarithm is uniform
  and a smaller image lies anywhere.

  Args:
    scale: (smallest, largest) enlargement.
    **options: of `random_crop_boxes`.
  """
  if not 0 < scale[0] <= scale[1]:
    raise UserError(f"scale: got {scale}; expected 0 < smallest <= largest.")
  return random_crop_boxes((1 / scale[1], 1 / scale[0]), **options)


def _windows(draws: Array, scale, ratio) -> Array:
  """Draws windows (b, 4): x, y, width, height in parts of the image."""
  between = lambda pair, u: jnp.exp(
    jnp.log(pair[0]) + u * (jnp.log(pair[1]) - jnp.log(pair[0]))
  )
  side, skew = between(scale, draws[:, 0]), between(ratio, draws[:, 1])
  size = jnp.stack([side * jnp.sqrt(skew), side / jnp.sqrt(skew)], -1)
  # Within the image where it fits, else around it.
  low = draws[:, 2:4] * (1 - size)
  return jnp.concatenate([low, size], -1)


def _factor(batch: Batch, window: Array) -> Array:
  """Pixels of the canvas for each of the image's, (b, 2)."""
  _, h, w, _ = batch["image"].shape
  canvas = jnp.array([h, w], jnp.float32)
  factor = canvas / (content(batch) * window[:, 3:1:-1])
  if "image_mask" in batch:
    factor = jnp.min(factor, -1, keepdims=True).repeat(2, -1)
  return factor


def _inside(window: Array) -> Array:
  """What windows have of the image."""
  low = jnp.maximum(window[:, :2], 0)
  high = jnp.minimum(window[:, :2] + window[:, 2:], 1)
  return jnp.concatenate([low, high - low], -1)


def _resample(
  image: Array, window: Array, factor: Array, batch: Batch, fill: float = 0.0
) -> Array:
  """Resamples the windows of images (b, h, w, c) to the canvas."""
  offset = -content(batch) * window[:, 1::-1] * factor

  def one(x, factor, offset):
    return _linear(x.astype(jnp.float32) - fill, (0, 1), factor, offset)

  shown = jax.vmap(one)(image, factor, offset) + fill
  return _as(shown, image.dtype)


def _linear(x: Array, axes: tuple[int, ...], factor, offset) -> Array:
  return jax.image.scale_and_translate(
    x, x.shape, axes, factor, offset, "linear", antialias=True
  )


def _cut_padded(batch: Batch, window: Array, factor: Array) -> dict[str, Array]:
  """Resamples what windows have of the image, and what the mask shows.

  Padding has no part in it: the weights of the image's own pixels add up to
  one at its edges too.
  """
  image, mask = batch["image"], batch["image_mask"]
  _, h, w, _ = image.shape
  size = jnp.round(content(batch) * window[:, 3:1:-1] * factor)
  rows = jnp.arange(h) < size[:, :1]
  columns = jnp.arange(w) < size[:, 1:]
  shown = rows[:, :, None] & columns[:, None, :]
  offset = -content(batch) * window[:, 1::-1] * factor
  line = jax.vmap(lambda x, *place: _linear(x, (0,), *place))
  weights = [
    line(
      mask.max(2 - i).astype(jnp.float32),
      factor[:, i : i + 1],
      offset[:, i : i + 1],
    )
    for i in range(2)
  ]
  weight = weights[0][:, :, None] * weights[1][:, None, :]
  real = jnp.where(mask[..., None] > 0, image, 0).astype(jnp.float32)
  mean = _resample(real, window, factor, batch)
  mean = mean / jnp.maximum(weight, 1e-6)[..., None]
  return {
    "image": _as(jnp.where(shown[..., None], mean, 0), image.dtype),
    "image_mask": shown.astype(mask.dtype),
  }


def _seen_masks(batch: Batch, window: Array, factor: Array, box_mask: Array):
  """Resamples masks as channels of an image; half a pixel is one."""
  masks = batch["masks"]
  maps = jnp.moveaxis(masks, 1, -1).astype(jnp.float32)
  if "image_mask" in batch:
    maps = _cut_padded(batch | {"image": maps}, window, factor)["image"]
  else:
    maps = _resample(maps, window, factor, batch)
  there = jnp.moveaxis(maps, -1, 1) >= 0.5
  return (there & (box_mask[..., None, None] > 0)).astype(masks.dtype)


def _seen_from(boxes: Array, window: Array) -> Array:
  """Returns boxes cxcywh of the image as xyxy in the windows' coordinates."""
  corners = cxcywh_to_xyxy(boxes)
  low, size = window[:, None, :2], window[:, None, 2:]
  return jnp.concatenate(
    [(corners[..., :2] - low) / size, (corners[..., 2:] - low) / size], -1
  )


def cut_boxes(batch: Batch, moved: Array, visible: float) -> dict[str, Array]:
  """Cuts moved boxes to their image and drops what is hidden.

  Args:
    batch: its `box_mask` (b, n) says which boxes there were.
    moved: xyxy (b, n, 4) in parts of the image.
    visible: part of a box's area that has to stay.
  """
  cut = jnp.clip(moved, 0, 1)
  area = lambda box: jnp.prod(box[..., 2:] - box[..., :2], -1)
  whole = area(moved)
  left = area(cut) > visible * whole
  keep = (batch["box_mask"] > 0) & left & (area(cut) > 0)
  boxes = jnp.where(keep[..., None], xyxy_to_cxcywh(cut), 0)
  mask = keep.astype(batch["box_mask"].dtype)
  return {"boxes": boxes.astype(batch["boxes"].dtype), "box_mask": mask}


def _mirror(
  batch: Batch, flip: Array, axis: int, mirrored: Sequence[int] | None
) -> dict[str, Array]:
  """Returns what changes in the examples of `flip` (b,); axis 0 is x."""
  image = batch["image"]
  across = 2 - axis  # of the image
  n = image.shape[across]
  end = content(batch)[:, 1 - axis].astype(jnp.int32)[:, None]
  place = jnp.arange(n)[None]
  there = jnp.where(flip[:, None] & (place < end), end - 1 - place, place)
  take = lambda x, i: jnp.take(x, i, axis=across - 1, mode="clip")
  boxes = batch["boxes"]
  moved = boxes.at[..., axis].set(1 - boxes[..., axis])
  real = (flip[:, None] & (batch["box_mask"] > 0))[..., None]
  new = {
    "image": jax.vmap(take)(image, there),
    "boxes": jnp.where(real, moved, boxes),
  }
  if "masks" in batch:
    maps = jnp.moveaxis(batch["masks"], 1, -1)
    new["masks"] = jnp.moveaxis(jax.vmap(take)(maps, there), -1, 1)
  if "keypoints" in batch:
    new["keypoints"] = mirror_points(batch["keypoints"], flip, axis, mirrored)
  return new


def content(batch: Batch) -> Array:
  """Height and width (b, 2) of what is not padding, in pixels."""
  b, h, w, _ = batch["image"].shape
  if "image_mask" not in batch:
    return jnp.broadcast_to(jnp.array([h, w], jnp.float32), (b, 2))
  shown = batch["image_mask"].astype(jnp.float32)
  size = jnp.stack([shown.max(2).sum(1), shown.max(1).sum(1)], -1)
  return jnp.maximum(size, 1)


def _as(image: Array, dtype) -> Array:
  if jnp.issubdtype(dtype, jnp.integer):
    image = jnp.clip(jnp.round(image), 0, 255)
  return image.astype(dtype)


def _check(batch: Batch, name: str) -> None:
  lacking = sorted({"boxes", "box_mask"} - set(batch))
  placed = sorted({"target", "instances"} & set(batch))
  if lacking or placed:
    raise UserError(
      f"{name} moves image and boxes; the batch lacks {lacking} and has "
      f"{placed} as well. Use an augmentation that moves what there is."
    )
