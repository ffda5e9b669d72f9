"""A convolution, BatchNorm and a nonlinearity: what most nets repeat."""

import functools
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.layers.conv import HE_NORMAL, Conv
from vision_jax.layers.norm import BatchNorm


class ConvNorm(nn.Module):
  """Convolution without bias, BatchNorm, activation; paths conv and bn.

  Attributes:
    features, kernel, stride, padding, groups, kernel_init, dilation: of `Conv`.
    activation: after the normalisation; None for none.
    epsilon: of BatchNorm.
    momentum: decay of BatchNorm's running moments.
    dtype: type to compute in; parameters are float32.
  """

  features: int
  kernel: int | tuple[int, int] = 3
  stride: int = 1
  padding: int | tuple[int, int] | None = None
  groups: int = 1
  activation: Callable[[Array], Array] | None = jax.nn.relu
  epsilon: float = 1e-5
  momentum: float = 0.9
  dtype: DTypeLike = jnp.float32
  kernel_init: nn.initializers.Initializer = HE_NORMAL
  dilation: int = 1

  @nn.compact
  def __call__(
    self, x: Array, *, train: bool, mask: Array | None = None
  ) -> Array:
    """Maps x (b, h, w, c) to (b, h', w', d); `mask` (b,) as in BatchNorm."""
    x = Conv(
      *(self.features, self.kernel, self.stride, self.padding),
      groups=self.groups,
      dilation=self.dilation,
      dtype=self.dtype,
      kernel_init=self.kernel_init,
      name="conv",
    )(x)
    norm = BatchNorm(self.momentum, self.epsilon, self.dtype, name="bn")
    x = norm(x, train=train, mask=mask)
    return x if self.activation is None else self.activation(x)


def conv_norms(
  *, train: bool, mask: Array | None, **shared: Any
) -> Callable[..., Callable[[Array], Array]]:
  """Returns what makes a ConvNorm that knows how it is called.

  Args:
    train: whether BatchNorm's moments are the batch's.
    mask: (b,), which examples count in them.
    **shared: fields of all of them; those of one take precedence.
  """

  def make(*args: Any, **fields: Any) -> Callable[[Array], Array]:
    layer = ConvNorm(*args, **{**shared, **fields})
    return functools.partial(layer, train=train, mask=mask)

  return make
