"""SegNet-Basic: a decoder that unpools with the encoder's indices."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.layers.conv import Conv
from vision_jax.layers.norm import BatchNorm
from vision_jax.layers.remat import remat
from vision_jax.layers.upsample import (
  max_pool_with_index,
  max_unpool,
  pad_to_multiple,
)
from vision_jax.ops.shapes import check_shape


class SegNetBasic(nn.Module):
  """SegNet-Basic (Badrinarayanan et al., 2015), arxiv.org/abs/1511.00561.

  Four encoders (7x7 convolution, BatchNorm, ReLU, 2x2 pooling) and four
  decoders (unpooling, 7x7 convolution, BatchNorm, no ReLU), without biases.
  1.42 million parameters. Paths encoder1 ..., encoder1_bn, decoder4 ... head.

  Images whose sides are no multiple of 2 ** depth get zeros below and on the
  right, and the logits are cut back. Differs from the paper: no local contrast
  normalization of the input.

  Attributes:
    num_classes: k.
    width: features of every layer.
    depth: encoders.
    kernel: side of the convolutions.
    momentum: decay of BatchNorm's running moments.
    remat: what encoders and decoders compute again in the backward pass, see
      `layers.remat`.
    dtype: type to compute in; parameters and the head are float32.
  """

  num_classes: int
  width: int = 64
  depth: int = 4
  kernel: int = 7
  momentum: float = 0.9
  remat: str = "none"
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(
    self, x: Array, *, train: bool, mask: Array | None = None
  ) -> Array:
    """Maps images x (b, h, w, c) to logits (b, h, w, k) float32."""
    _, h, w, _ = check_shape("image", x, "b h w c")
    x, indices = pad_to_multiple(x, 2**self.depth), []
    layer = remat(SegNetBasic._layer, self.remat, static=(1, 3))
    for i in range(1, self.depth + 1):
      x = jax.nn.relu(layer(self, f"encoder{i}", x, train, mask))
      x, index = max_pool_with_index(x)
      indices.append(index)
    for i in range(self.depth, 0, -1):
      x = max_unpool(x, indices.pop())
      x = layer(self, f"decoder{i}", x, train, mask)
    x = Conv(self.num_classes, 1, use_bias=True, name="head")(x)
    return x[:, :h, :w]

  def _layer(self, name: str, x: Array, train: bool, mask: Array | None):
    x = Conv(self.width, self.kernel, dtype=self.dtype, name=name)(x)
    norm = BatchNorm(
      momentum=self.momentum,
      dtype=self.dtype,
      name=f"{name}_bn",
    )
    return norm(x, train=train, mask=mask)
