"""Windows of whole pixels of image, `target` and `instances` together.

`random_flip` of `geometry.py` moves both too, and `random_affine` of
`affine.py`; what changes colours only moves nothing and goes beside these in
`sequence`.
"""

import jax
import jax.numpy as jnp

from vision_jax.core.types import Augment, Batch
from vision_jax.errors import UserError
from vision_jax.ops.augment.clips import frames_as_channels
from vision_jax.ops.augment.keys import integers, uniforms


def random_window(size: tuple[int, int]) -> Augment:
  """Cuts a window (h, w) at random out of image (b, H, W, c) and its maps.

  Raises:
    UserError: when traced, if images are smaller.
  """

  @frames_as_channels
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


def _cut(batch, place, size):
  def cut(x):
    window = lambda x, p: jax.lax.dynamic_slice(
      x, (*p, *[0] * (x.ndim - 2)), (*size, *x.shape[2:])
    )
    return jax.vmap(window)(x, place)

  maps = ("image", "target", "instances")
  return {k: cut(batch[k]) for k in maps if k in batch}


def _check(batch: Batch, name: str) -> None:
  placed = sorted({"boxes", "masks", "depth"} & set(batch))
  if placed:
    raise UserError(
      f"{name} moves image and target; the batch has {placed} as well. Use an "
      "augmentation that moves them together."
    )
