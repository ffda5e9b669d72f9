"""Quarter turns of square images, which move every pixel to a whole one."""

import jax.numpy as jnp

from vision_jax.core.types import Array, Augment, Batch
from vision_jax.errors import UserError
from vision_jax.ops.augment.geometry import check_image_only
from vision_jax.ops.augment.keys import integers, uniforms

_MAPS = ("target", "instances", "masks", "depth")  # (b, ..., h, w)


def turned_classes(num_classes: int) -> Augment:
  """Turns each image by 0 to 3 quarters at random, and so its class.

  An image of class y that is turned by q quarters, counter-clockwise, has the
  label y + q * num_classes: four times as many classes to tell apart, of which
  what is learned fits new ones better (as Omniglot is used, Santoro et al.,
  2016). Images are square.

  Args:
    num_classes: of the labels.
  """

  def augment(batch, key):
    check_image_only(batch, "turned_classes")
    quarters = _quarters(batch, key, "turned_classes")
    image = _turned(batch["image"], quarters, (1, 2))
    label = batch["label"] + quarters * num_classes
    return {**batch, "image": image, "label": label}

  return augment


def random_quarter_turn() -> Augment:
  """Turns each image by 0 to 3 quarters at random, and its maps with it.

  Those are `target`, `instances`, `masks` and `depth`; boxes are refused.
  """

  def augment(batch, key):
    if "boxes" in batch:
      raise UserError(
        "random_quarter_turn: the batch has boxes, which it does not turn; "
        "expected images with maps. Use random_affine(degrees=180)."
      )
    quarters = _quarters(batch, key, "random_quarter_turn")
    new = {"image": _turned(batch["image"], quarters, (1, 2))}
    for name in set(_MAPS) & set(batch):
      new[name] = _turned(batch[name], quarters, (-2, -1))
    return {**batch, **new}

  return augment


def _quarters(batch: Batch, key: Array, name: str) -> Array:
  """Returns how many quarters each image is turned, (b,)."""
  _, h, w, _ = batch["image"].shape
  if h != w:
    raise UserError(
      f"{name}: got images of {(h, w)}; expected square ones, which a quarter "
      "turn leaves as large."
    )
  return integers(uniforms(batch, key, 1)[:, 0], 4)


def _turned(x: Array, quarters: Array, axes: tuple[int, int]) -> Array:
  """Returns x (b, ...) turned counter-clockwise in the plane of two axes."""
  turned = [jnp.rot90(x, q, axes) for q in range(4)]
  which = quarters.reshape(-1, *[1] * (x.ndim - 1))
  return jnp.select([which == q for q in range(4)], turned)
