"""Nets of MNIST's first years: hyperbolic tangents and trained subsampling.

LeNet-1, LeNet-4 and LeNet-5 (LeCun et al., 1998, "Gradient-based learning
applied to document recognition"), the convolutional net of Simard et al. (2003,
"Best practices for convolutional neural networks"), and the MLPs beside them.
"""

import functools
from collections.abc import Callable, Mapping, Sequence

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.layers.conv import Conv, avg_pool
from vision_jax.layers.dense import Dense
from vision_jax.ops.shapes import check_shape

_INIT = nn.initializers.lecun_normal()


def scaled_tanh(x: Array) -> Array:
  """Returns 1.7159 tanh(2x / 3), which is ±1 at ±1 (LeCun et al., 1998)."""
  return 1.7159 * jnp.tanh(2 / 3 * x)


class Subsampling(nn.Module):
  """A mean of 2 x 2, times a trained factor of its map, plus a bias, squashed.

  Parameters factor (c,) and bias (c,).
  """

  @nn.compact
  def __call__(self, x: Array) -> Array:
    """Maps x (b, h, w, c) to (b, h / 2, w / 2, c)."""
    shape = (x.shape[-1],)
    factor = self.param("factor", nn.initializers.ones, shape, jnp.float32)
    bias = self.param("bias", nn.initializers.zeros, shape, jnp.float32)
    mean = avg_pool(x)
    return scaled_tanh(mean * factor.astype(x.dtype) + bias.astype(x.dtype))


class TanhNet(nn.Module):
  """Convolutions of 5 x 5, subsampled, then dense layers, all with tanh.

  Paths conv1, pool1, conv2, ..., dense1, ..., head. Differs from the papers: a
  map sees all of those before it and not a table of them, the output is
  linear, or squashed, in place of radial basis functions, and weights begin as
  `lecun_normal` ones.

  Attributes:
    num_classes: k.
    maps: of each convolution; none for an MLP.
    hidden: features of each dense layer but the last.
    stride: 1, and each convolution is followed by a subsampling; 2, and the
      convolutions subsample.
    padding: zeros around the image.
    squash: whether the outputs are squashed too, as LeNet-1's are.
    dtype: type to compute in; parameters and the head are float32.
  """

  num_classes: int
  maps: Sequence[int] = (6, 16)
  hidden: Sequence[int] = (120, 84)
  stride: int = 1
  padding: int = 2
  squash: bool = False
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(
    self, x: Array, *, train: bool, mask: Array | None = None
  ) -> Array:
    """Maps images x (b, h, w, c) to logits (b, k) float32."""
    check_shape("image", x, "b h w c")
    init = {"dtype": self.dtype, "kernel_init": _INIT}
    x = x.astype(self.dtype)
    for i, maps in enumerate(self.maps, 1):
      padding = self.padding if i == 1 else 0
      form = {"kernel": 5, "stride": self.stride, "use_bias": True, **init}
      conv = Conv(maps, padding=padding, **form, name=f"conv{i}")
      x = scaled_tanh(conv(x))
      if self.stride == 1:
        x = Subsampling(name=f"pool{i}")(x)
    x = x.reshape(x.shape[0], -1)
    for i, features in enumerate(self.hidden, 1):
      x = scaled_tanh(Dense(features, **init, name=f"dense{i}")(x))
    x = Dense(self.num_classes, kernel_init=_INIT, name="head")(x)
    return scaled_tanh(x) if self.squash else x


# Of 28 x 28 images; LeNet-1's are of 22 x 22, whose digits have 16 x 16.
TANH_NETS: Mapping[str, Callable[..., TanhNet]] = {
  name: functools.partial(TanhNet, **fields)
  for name, fields in {
    "mlp300": {"maps": (), "hidden": (300,)},
    "mlp800": {"maps": (), "hidden": (800,)},
    "lenet1": {"maps": (4, 12), "hidden": (), "padding": 3},
    "lenet4": {"maps": (4, 16), "hidden": (120,)},
    "lenet5": {"maps": (6, 16), "hidden": (120, 84)},
    "simard": {"maps": (5, 50), "hidden": (100,), "stride": 2, "padding": 1},
  }.items()
}
