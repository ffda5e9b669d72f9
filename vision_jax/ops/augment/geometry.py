"""Flips and crops of whole pixels: exact, for any type of image."""

import jax
import jax.numpy as jnp

from vision_jax.core.types import Array, Augment, Batch
from vision_jax.errors import UserError
from vision_jax.ops.augment.clips import frames_as_channels
from vision_jax.ops.augment.keys import integers, uniforms

_PAD_MODES = {"zero": "constant", "reflect": "reflect"}
# What moves with the image.
_PLACED = ("boxes", "target", "instances", "masks", "depth", "wanted")


def random_flip(probability: float = 0.5, *, vertical: float = 0.0) -> Augment:
  """Mirrors images, with what lies in them.

  That is `boxes`, `target`, `instances`, `masks` and `depth`, if present, and
  `wanted`, another image.

  Args:
    probability: probability of exchanging left and right.
    vertical: probability of top and bottom, for images without an up.
  """
  check_probability(probability)
  check_probability(vertical)

  def augment(batch, key):
    if "keypoints" in batch:
      raise UserError(
        "random_flip: the batch has keypoints, left ones and right ones; "
        "expected none. Use random_flip_boxes(mirrored=...)."
      )
    draws = uniforms(batch, key, 2 if vertical else 1)
    if probability:
      batch = batch | _flip(batch, draws[:, 0] < probability)
    if vertical:
      batch = batch | _flip(batch, draws[:, 1] < vertical, across=1)
    return batch

  return augment


def random_crop(pad: int = 4, *, mode: str = "zero") -> Augment:
  """Pads each side, and cuts a window of the image's size at random.

  Args:
    pad: pixels; the window moves by -pad ... pad either way.
    mode: "zero" (black, or the mean where images are normalised) or "reflect"
      (mirrored at the border's centre, which is not repeated).
  """
  return _crop(pad, mode, flip=0.0)


def random_crop_flip(
  pad: int = 4, *, mode: str = "zero", probability: float = 0.5
) -> Augment:
  """`random_crop` and `random_flip` from one draw: the CIFAR augmentation.

  He et al., https://arxiv.org/abs/1512.03385, section 4.2.
  """
  check_probability(probability)
  return _crop(pad, mode, flip=probability)


def check_probability(probability: float) -> None:
  """Raises a ValueError unless this is in [0, 1]."""
  if not 0 <= probability <= 1:
    raise UserError(f"probability: got {probability}; expected [0, 1].")


def check_image_only(batch: Batch, name: str) -> None:
  """Raises a ValueError if boxes or masks would have to move along."""
  placed = sorted({*_PLACED, "keypoints"} & set(batch))
  if placed:
    raise UserError(
      f"{name} moves the image alone; the batch has {placed} as well. Use an "
      "augmentation that moves them together, such as random_flip."
    )


def _crop(pad: int, mode: str, flip: float) -> Augment:
  if pad < 0:
    raise UserError(f"pad: got {pad}; expected pixels, >= 0.")
  if mode not in _PAD_MODES:
    raise UserError(f"mode: got {mode!r}; expected one of {[*_PAD_MODES]}.")

  @frames_as_channels
  def augment(batch, key):
    check_image_only(batch, "random_crop")
    draws = uniforms(batch, key, 3)
    offset = integers(draws[:, :2], 2 * pad + 1)
    image = jax.vmap(lambda x, o: _window(x, o, pad, mode))(
      batch["image"], offset
    )
    moved = {**batch, "image": image}
    return moved | _flip(moved, draws[:, 2] < flip) if flip else moved

  return augment


def _window(image: Array, offset: Array, pad: int, mode: str) -> Array:
  around = ((pad, pad), (pad, pad), (0, 0))
  padded = jnp.pad(image, around, mode=_PAD_MODES[mode])
  return jax.lax.dynamic_slice(padded, (*offset, jnp.int32(0)), image.shape)


def _flip(batch: Batch, flip: Array, across: int = 0) -> dict[str, Array]:
  """Returns what changes in the examples of `flip` (b,); 0 is x, 1 is y."""

  def choose(mirrored, x):
    return jnp.where(flip.reshape(-1, *[1] * (x.ndim - 1)), mirrored, x)

  maps = dict.fromkeys(_PLACED[1:], -1)
  axes = {"image": -2} | maps | {"wanted": -2}  # also of clips
  new = {
    name: choose(jnp.flip(batch[name], axes[name] - across), batch[name])
    for name in axes
    if name in batch
  }
  if "boxes" in batch:
    boxes = batch["boxes"]  # (b, n, 4), or (b, t, n, 4), cxcywh in [0, 1]
    mirrored = boxes.at[..., across].set(1 - boxes[..., across])
    new["boxes"] = choose(mirrored, boxes)
  return new
