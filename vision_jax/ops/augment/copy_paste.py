"""Objects of one image pasted into another, with their masks and boxes."""

import jax.numpy as jnp

from vision_jax.core.types import Array, Augment, Batch
from vision_jax.errors import UserError
from vision_jax.ops.augment.geometry import check_probability
from vision_jax.ops.augment.keys import uniforms
from vision_jax.ops.boxes import around_masks, xyxy_to_cxcywh
from vision_jax.ops.parts import part

NEEDED = ("image", "boxes", "label", "box_mask", "masks")
PER_BOX = ("boxes", "label", "box_mask", "masks", "crowd")


def copy_paste(
  into: str = "scene",
  of: str = "objects",
  *,
  probability: float = 0.5,
  visible: float = 0.0,
) -> Augment:
  """Pastes random objects of one part of a batch into the images of another.

  Ghiasi et al., 2021, https://arxiv.org/abs/2012.07177. The parts are two
  loaders' of a `Together`, of one size, with the objects' `masks` (b, n, h, w);
  the paper lets both go through `scale_jitter` and a flip first, see
  `of_parts`. What comes is a batch as one loader gives it, of the first part,
  with as many boxes as both have: those of the image, whose masks and boxes
  lose what is covered, and then those pasted. Which are pasted follows from a
  row's `index` alone. Regions of many objects (`crowd`) are not pasted.

  Args:
    into: the part that is pasted into.
    of: the part whose objects are.
    probability: of each object.
    visible: part of a mask that has to be left of an object of the first part;
      what has less gets `box_mask` 0.
  """
  check_probability(probability)
  if not 0 <= visible <= 1:
    raise UserError(f"visible: got {visible}; expected a part, 0 to 1.")

  def augment(batch, key):
    scene, objects = part(batch, into), part(batch, of)
    for name, own in ((into, scene), (of, objects)):
      _check(name, own)
    chosen = _chosen(batch, objects, key, probability)
    cover = ((objects["masks"] > 0) & chosen[..., None, None]).any(1)
    image = jnp.where(cover[..., None], objects["image"], scene["image"])
    first = _uncovered(scene, cover, visible)
    last = objects | {"box_mask": chosen.astype(scene["box_mask"].dtype)}
    both = _side_by_side(first, last)
    rows = {name: batch[name] for name in ("mask", "index") if name in batch}
    return scene | both | {"image": image} | rows

  return augment


def _chosen(batch: Batch, objects: Batch, key: Array, probability: float):
  """Which objects (b, n) are pasted."""
  number = objects["box_mask"].shape[1]
  chosen = uniforms(batch, key, number) < probability
  chosen &= objects["box_mask"] > 0
  if "crowd" in objects:
    chosen &= objects["crowd"] == 0
  if "mask" in objects:
    chosen &= objects["mask"][:, None] > 0
  return chosen


def _uncovered(scene: Batch, cover: Array, visible: float) -> Batch:
  """What is left of a scene's objects where `cover` (b, h, w) hides them."""
  masks = scene["masks"] > 0
  left = masks & ~cover[:, None]
  before, after = masks.sum((2, 3)), left.sum((2, 3))
  _, _, h, w = masks.shape
  around = around_masks(left) / jnp.array([w, h, w, h], jnp.float32)
  hidden = after < before  # boxes of others stay as they are, to the bit
  boxes = jnp.where(hidden[..., None], xyxy_to_cxcywh(around), scene["boxes"])
  kept = ~hidden | ((after > 0) & (after >= visible * before))
  kept &= scene["box_mask"] > 0
  return scene | {
    "boxes": boxes.astype(scene["boxes"].dtype),
    "masks": left.astype(scene["masks"].dtype),
    "box_mask": kept.astype(scene["box_mask"].dtype),
  }


def _side_by_side(first: Batch, last: Batch) -> Batch:
  """Both's boxes and what stands beside them, zeros where there is none."""
  both = {}
  for name in PER_BOX:
    if name in first:
      values = first[name], last[name].astype(first[name].dtype)
      both[name] = jnp.concatenate(values, 1)
  real = both["box_mask"] > 0
  for name in both:
    axes = both[name].ndim - 2
    there = real.reshape(*real.shape, *[1] * axes)
    both[name] = jnp.where(there, both[name], 0)
  return both


def _check(name: str, own: Batch) -> None:
  lacking = sorted(set(NEEDED) - set(own))
  unmoved = {"target", "instances", "depth", "image_mask", "keypoints"}
  placed = sorted(unmoved & set(own))
  if lacking or placed:
    raise UserError(
      f"copy_paste: {name} lacks {lacking} and has {placed} as well; expected "
      "images that fill their canvas, with boxes and masks of the objects."
    )
