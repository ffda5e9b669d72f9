"""A normalizing flow of several scales: half of the values leave at each."""

import abc
import math
from collections.abc import Iterator

import flax.linen as nn
import jax.numpy as jnp

from vision_jax.core.types import Array
from vision_jax.errors import UserError
from vision_jax.models.generation.autoencoder import check_halves
from vision_jax.models.generation.flow_layers import Moved, through
from vision_jax.ops.shapes import check_shape

Shape = tuple[int, int, int]  # (h, w, c)


class MultiScale(nn.Module, abc.ABC):
  """Images to standard normal values and back: arXiv 1605.08803, section 3.6.

  What a subclass has: `layers` of a level, the `after` of an image's shape, and
  the `prior` of what leaves after it.

  Attributes:
    levels: how many; after each but the last half of the channels leave.
  """

  levels: int = 2

  @abc.abstractmethod
  def layers(self, level: int) -> list[nn.Module]:
    """Returns the layers of a level, 1 ... levels."""

  @abc.abstractmethod
  def after(self, level: int, shape: Shape) -> Shape:
    """Returns the shape that a level's layers make of one."""

  @abc.abstractmethod
  def prior(self, level: int) -> nn.Module | None:
    """Returns what standardises the values that leave; None for nothing."""

  @nn.compact
  def __call__(
    self,
    x: Array,
    shape: Shape | None = None,
    *,
    train: bool = False,
    mask: Array | None = None,
  ) -> Moved:
    """Maps images to z (b, h w c), or with `shape` z to images.

    Args:
      x: images (b, h, w, c), or z.
      shape: the (h, w, c) that images shall have.
      train: whether a first batch is looked at.
      mask: (b,), which examples count there.

    Returns:
      z or images, and the log-determinant (b,) of that function's derivative.

    Raises:
      UserError: for sides that do not halve as often as the levels do.
    """
    if shape is not None:
      return self._drawn(x, tuple(shape))
    check_shape("image", x, "b h w c")
    *leaving, _ = self._shapes(x.shape[1:])
    parts, total = [], jnp.zeros(len(x))
    for i in range(1, self.levels + 1):
      x, log_det = through(self.layers(i), x, train=train, mask=mask)
      total += log_det
      if i <= len(leaving):
        x, z = jnp.split(x, 2, -1)
        if prior := self.prior(i):
          z, log_det = prior(z, x)
          total += log_det
        parts.append(z)
    flat = [z.reshape(len(z), -1) for z in (*parts, x)]
    return jnp.concatenate(flat, -1), total

  def decode(self, z: Array, shape: Shape) -> Array:
    """Returns the images (b, h, w, c) of z (b, h w c)."""
    return self(z, shape)[0]

  def _drawn(self, z: Array, shape: Shape) -> Moved:
    shapes = list(self._shapes(shape))
    ends = [0]
    for each in shapes:
      ends.append(ends[-1] + math.prod(each))
    part = lambda i: z[:, ends[i] : ends[i + 1]].reshape(-1, *shapes[i])
    x, total = part(self.levels - 1), jnp.zeros(len(z))
    for i in range(self.levels, 0, -1):
      if i < self.levels:
        left = part(i - 1)
        if prior := self.prior(i):
          left, log_det = prior(left, x, inverse=True)
          total += log_det
        x = jnp.concatenate([x, left], -1)
      x, log_det = through(self.layers(i), x, inverse=True)
      total += log_det
    return x, total

  def _shapes(self, shape: Shape) -> Iterator[Shape]:
    """Yields the shape of what leaves after each level, all after the last."""
    if self.levels < 1:
      raise UserError(f"levels: got {self.levels}; expected at least 1.")
    h, w, c = shape
    for i in range(1, self.levels + 1):
      (h, w, c) = self.after(i, (h, w, c))
      if i < self.levels:
        c //= 2
      yield h, w, c


def halved(shape: Shape) -> Shape:
  """Returns the shape after a `Squeeze`.

  Raises:
    UserError: for an odd side.
  """
  h, w, c = shape
  check_halves((h, w), 1)
  return h // 2, w // 2, 4 * c
