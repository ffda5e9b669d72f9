"""DnCNN: a plain stack of convolutions that predicts an image's noise."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.checks import check_name
from vision_jax.core.types import Array
from vision_jax.layers.conv import Conv
from vision_jax.layers.norm import BatchNorm
from vision_jax.ops.shapes import check_shape

BIASES = ("none", "first", "all")


class DnCNN(nn.Module):
  """DnCNN (Zhang et al., 2017), arxiv.org/abs/1608.03981.

  3x3 convolutions with ReLU between, and BatchNorm after all but the first and
  the last; what they give is subtracted from the image. 17 of them with 64
  features have 556,032 parameters, 555,137 where BatchNorm is merged into
  biases. Paths conv1, conv2, bn2, ..., conv17.

  Attributes:
    channels: of the images, 1 or 3.
    width: features between the convolutions.
    depth: convolutions; 17 for one level of noise, 20 for many.
    norm: whether there is BatchNorm.
    bias: which convolutions have one, "none", "first" or "all".
    epsilon: of BatchNorm.
    momentum: decay of BatchNorm's running moments.
    dtype: type to compute in; parameters and the last convolution are
      float32.
  """

  channels: int = 1
  width: int = 64
  depth: int = 17
  norm: bool = True
  bias: str = "none"
  epsilon: float = 1e-5
  momentum: float = 0.9
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(
    self, x: Array, *, train: bool, mask: Array | None = None
  ) -> Array:
    """Maps images x (b, h, w, c) in [0, 1] to clean ones, float32."""
    check_shape("image", x, f"b h w {self.channels}")
    check_name("bias", self.bias, BIASES)
    noise = x
    for i in range(1, self.depth + 1):
      last = i == self.depth
      noise = Conv(
        self.channels if last else self.width,
        use_bias=self.bias == "all" or (self.bias == "first" and i == 1),
        dtype=jnp.float32 if last else self.dtype,
        name=f"conv{i}",
      )(noise)
      if self.norm and 1 < i < self.depth:
        noise = BatchNorm(
          self.momentum, self.epsilon, self.dtype, name=f"bn{i}"
        )(noise, train=train, mask=mask)
      noise = noise if last else jax.nn.relu(noise)
    return x.astype(jnp.float32) - noise
