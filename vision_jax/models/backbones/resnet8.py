"""The ResNet-8 of MLPerf Tiny, of Keras."""

import functools
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.layers.conv import Conv, global_average
from vision_jax.layers.dense import Dense
from vision_jax.layers.norm import BatchNorm
from vision_jax.ops.shapes import check_shape

EPSILON = 1e-3  # of every BatchNorm, Keras's own


class ResNet8(nn.Module):
  """Image classification of MLPerf Tiny (Banbury et al., 2021).

  Three blocks of two 3x3 convolutions, 78,186 parameters for CIFAR-10. As Keras
  has it: convolutions have biases, shortcuts that change the shape are 1x1
  convolutions without a norm, and a stride of 2 pads below and on the right
  first. Paths conv1, bn1, conv2_1/conv1, ..., conv3_1/projection, ..., fc.

  Attributes:
    num_classes: k.
    width: features of the first stage; they double with each.
    momentum: decay of BatchNorm's running moments.
    dtype: type to compute in; parameters and the head are float32.
  """

  num_classes: int
  width: int = 16
  momentum: float = 0.99
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(
    self, x: Array, *, train: bool, mask: Array | None = None
  ) -> Array:
    """Maps images x (b, h, w, c) to logits (b, k) float32."""
    check_shape("image", x, "b h w c")

    def norm(name):
      layer = BatchNorm(self.momentum, EPSILON, self.dtype, name=name)
      return functools.partial(layer, train=train, mask=mask)

    x = _same(x, self.width, name="conv1", dtype=self.dtype)
    x = jax.nn.relu(norm("bn1")(x))
    for stage in range(3):
      block = _Block(
        self.width * 2**stage, norm, self.dtype, name=f"conv{stage + 2}_1"
      )
      x = block(x)
    return Dense(self.num_classes, name="fc")(global_average(x))


class _Block(nn.Module):
  """Two 3x3 convolutions and a shortcut; only the first stage keeps the map."""

  features: int
  norm: Callable[[str], Callable[[Array], Array]]
  dtype: DTypeLike

  @nn.compact
  def __call__(self, x: Array) -> Array:
    """Maps x (b, h, w, c) to (b, h / stride, w / stride, d)."""
    stride = 1 if x.shape[-1] == self.features else 2
    conv = functools.partial(_same, features=self.features, dtype=self.dtype)
    y = self.norm("bn1")(conv(x, stride=stride, name="conv1"))
    y = self.norm("bn2")(conv(jax.nn.relu(y), name="conv2"))
    if stride == 2:
      x = conv(x, kernel=1, stride=2, name="projection")
    return jax.nn.relu(x + y)


def _same(
  x: Array, features: int, kernel: int = 3, stride: int = 1, **fields: Any
) -> Array:
  """Convolves with as much padding as ceil(h / stride) rows need.

  The rest of an odd number of zeros goes below and on the right.
  """
  sides = [kernel - (n % stride or stride) for n in x.shape[1:3]]
  pads = [(n // 2, n - n // 2) for n in (max(n, 0) for n in sides)]
  x = jnp.pad(x, ((0, 0), *pads, (0, 0)))
  conv = Conv(features, kernel, stride, 0, use_bias=True, **fields)
  return conv(x)
