"""What is left of an image for a net to draw the rest: parts, or few pixels."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from vision_jax.core.checks import check_name
from vision_jax.core.types import Array, Batch
from vision_jax.errors import UserError
from vision_jax.ops.augment.keys import integers, uniforms

_PLACES = 0  # seed of where holes are: an example has its own in every run


def given(name: str, size: int) -> Callable[[Batch], Batch]:
  """Returns what adds `given` (b, h, w, ...) to a batch, by its `image`.

  Args:
    name: "hole", see `with_hole`, or "smaller", see `fewer_pixels`.
    size: side of the hole, or of the squares that become a pixel.

  Raises:
    UserError: for another name; while it is traced, for sides of images that
      the size does not fit.
  """
  check_name("given", name, KINDS)
  return lambda batch: KINDS[name](batch, size)


def with_hole(batch: Batch, side: int) -> Batch:
  """Adds the images without a square, 0 there, and a channel of where it is.

  The place depends on the example's `index` alone. `given` is (b, h, w, c + 1).
  """
  image = batch["image"]
  _, h, w, _ = image.shape
  if not 1 <= side <= min(h, w):
    raise UserError(
      f"given: a hole of side {side} in images of {h} x {w}; expected at least "
      "1 and no more than these."
    )
  top, left = uniforms(batch, jax.random.key(_PLACES), 2).T
  rows = _within(integers(top, h - side + 1), side, h)
  columns = _within(integers(left, w - side + 1), side, w)
  hole = (rows[:, :, None] & columns[:, None, :])[..., None]
  seen = [jnp.where(hole, 0, image), hole.astype(image.dtype)]
  return {**batch, "given": jnp.concatenate(seen, -1)}


def fewer_pixels(batch: Batch, factor: int) -> Batch:
  """Adds the images of a factor fewer pixels a side, as large as they were.

  Each square of `given` (b, h, w, c) is the mean of the image's.
  """
  image = batch["image"]
  b, h, w, c = image.shape
  if factor < 1 or h % factor or w % factor:
    raise UserError(
      f"given: {factor} times fewer pixels of images of {h} x {w}; expected a "
      "number that divides both."
    )
  squares = image.reshape(b, h // factor, factor, w // factor, factor, c)
  small = squares.mean((2, 4))
  return {**batch, "given": small.repeat(factor, 1).repeat(factor, 2)}


def _within(first: Array, number: int, length: int) -> Array:
  """Which of `length` places are the `number` from the first (b,) on."""
  places = jnp.arange(length) - first[:, None]
  return (places >= 0) & (places < number)


KINDS = {"hole": with_hole, "smaller": fewer_pixels}
