"""Feature pyramids: maps of several resolutions that see the whole net.

Lin et al., 2017, https://arxiv.org/abs/1612.03144; further levels as in
RetinaNet, https://arxiv.org/abs/1708.02002.
"""

import functools
from collections.abc import Mapping, Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.errors import UserError
from vision_jax.layers.conv import Conv
from vision_jax.models.backbones.backbone import Backbone

LECUN_UNIFORM = nn.initializers.variance_scaling(1.0, "fan_in", "uniform")


class FPN(nn.Module):
  """A pyramid on a backbone's maps, as torchvision has it.

  Paths lateral_c3, output_c3, ..., and p6, p7, ... of further levels.

  Attributes:
    levels: the maps, finest first.
    features: channels of the results, d.
    more: further levels, each half as large, by convolutions of the last.
    dtype: type to compute in.
  """

  levels: Sequence[str] = ("c3", "c4", "c5")
  features: int = 256
  more: int = 0
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(self, maps: Mapping[str, Array]) -> list[Array]:
    """Maps maps (b, h, w, c) of the levels to (b, h, w, d), finest first."""
    conv = functools.partial(
      Conv,
      self.features,
      use_bias=True,
      dtype=self.dtype,
      kernel_init=LECUN_UNIFORM,
    )
    results, above = [], None
    for level in reversed(self.levels):
      y = conv(1, name=f"lateral_{level}")(maps[level])
      above = y if above is None else y + nearest(above, y.shape[1:3])
      results.insert(0, conv(3, name=f"output_{level}")(above))
    last = int(self.levels[-1][1:])
    for i in range(self.more):
      y = jax.nn.relu(results[-1]) if i else results[-1]
      results.append(conv(3, 2, name=f"p{last + 1 + i}")(y))
    return results


def nearest(x: Array, size: tuple[int, int]) -> Array:
  """Enlarges x (b, h, w, c) to (b, *size, c): each pixel is repeated.

  As torch's interpolation "nearest"; a side that doubles, or that doubles but
  for one pixel, needs no gather.
  """
  for axis, length in enumerate(size, 1):
    n = x.shape[axis]
    if 2 * n - 1 <= length <= 2 * n:
      doubled = jnp.repeat(x, 2, axis=axis)
      x = jax.lax.slice_in_dim(doubled, 0, length, axis=axis)
    elif length != n:
      x = jnp.take(x, jnp.arange(length) * n // length, axis=axis)
  return x


def check_levels(backbone: Backbone, levels: Sequence[str]) -> None:
  """Refuses levels that a backbone has not.

  Raises:
    UserError: with those that it has.
  """
  if unknown := sorted(set(levels) - set(backbone.strides)):
    raise UserError(
      f"levels: the backbone has no {unknown[0]!r}; expected some of "
      f"{', '.join(backbone.strides)}."
    )
