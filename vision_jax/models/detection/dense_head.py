"""What dense detectors share: towers of convolutions, and maps in rows."""

import functools
from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.layers.conv import Conv
from vision_jax.layers.group_norm import GroupNorm

PRIOR = 0.01  # initial probability of a class at each place
NORMAL = nn.initializers.normal(0.01)
head_conv = functools.partial(Conv, use_bias=True, kernel_init=NORMAL)


class Tower(nn.Module):
  """Convolutions, each with group normalization and a rectifier.

  Paths conv1, norm1, conv2, ...

  Attributes:
    convs: how many.
    features: channels of each.
    groups: of the normalization; 0 for none.
    dtype: type to compute in.
    kernel_init: initial kernels.
  """

  convs: int
  features: int
  groups: int
  dtype: DTypeLike = jnp.float32
  kernel_init: nn.initializers.Initializer = NORMAL

  @nn.compact
  def __call__(self, x: Array) -> Array:
    """Maps x (b, h, w, d) to (b, h, w, features)."""
    for i in range(1, self.convs + 1):
      conv = head_conv(
        self.features,
        dtype=self.dtype,
        kernel_init=self.kernel_init,
        name=f"conv{i}",
      )
      x = conv(x)
      if self.groups:
        norm = GroupNorm(self.groups, 1e-5, self.dtype, name=f"norm{i}")
        x = norm(x)
      x = jax.nn.relu(x)
    return x


def class_conv(outputs: int, kernel: int = 3, name: str = "class_head") -> Conv:
  """Returns the convolution to logits, float32, that begin at `PRIOR`."""
  bias = nn.initializers.constant(float(np.log(PRIOR / (1 - PRIOR))))
  return head_conv(outputs, kernel, bias_init=bias, name=name)


def rows(x: Array, values: int) -> Array:
  """Takes maps (b, h, w, a v) apart, v values an anchor: (b, h w a, v)."""
  return x.reshape(x.shape[0], -1, values).astype(jnp.float32)


def sides_of(maps: Sequence[Array]) -> list[tuple[int, int]]:
  """Returns the (height, width) of maps (b, h, w, d)."""
  return [x.shape[1:3] for x in maps]
