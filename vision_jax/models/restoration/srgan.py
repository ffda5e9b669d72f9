"""SRGAN's discriminator: whether an image is real, or was made larger."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.errors import UserError
from vision_jax.layers.conv import Conv
from vision_jax.layers.dense import Dense
from vision_jax.layers.norm import BatchNorm
from vision_jax.ops.shapes import check_shape

_TIMES = (1, 1, 2, 2, 4, 4, 8, 8)  # the width; every second one halves the map
_HIDDEN = 16  # times the width
_LEAST = 16  # pixels, of which the strides leave one place


class SRGANDiscriminator(nn.Module):
  """SRGAN's discriminator (Ledig et al., 2017), arxiv.org/abs/1609.04802.

  Eight 3x3 convolutions of 64 to 512 features, a dense layer of 1024 and one to
  the logit, as figure 4 has it: 23,563,649 parameters of images of 96 pixels.
  The dense layer sees the whole map, so the images are all of one size.
  Convolutions before BatchNorm have no bias. Paths conv1, conv2, bn2, ...,
  conv8, bn8, dense, head.

  Attributes:
    width: features of the first convolution, an eighth of the last one's and a
      sixteenth of the dense layer's.
    momentum: decay of BatchNorm's running moments.
    epsilon: of BatchNorm.
    dtype: type to compute in; parameters and the head are float32.
  """

  width: int = 64
  momentum: float = 0.9
  epsilon: float = 1e-5
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(
    self, x: Array, *, train: bool, mask: Array | None = None
  ) -> Array:
    """Maps images x (b, h, w, c) to logits (b,) float32.

    Raises:
      UserError: for images that the strides leave less than a place of.
    """
    b, h, w, _ = check_shape("image", x, "b h w c")
    if min(h, w) < _LEAST:
      raise UserError(
        f"SRGANDiscriminator: got images of {h} x {w}, which it halves four "
        f"times; expected {_LEAST} pixels a side or more, as many as the scale "
        "times image_size. Take a larger image_size."
      )
    for i, times in enumerate(_TIMES, 1):
      conv = Conv(
        times * self.width,
        stride=2 - i % 2,
        use_bias=i == 1,
        dtype=self.dtype,
        name=f"conv{i}",
      )
      x = conv(x)
      if i > 1:
        norm = BatchNorm(self.momentum, self.epsilon, self.dtype, name=f"bn{i}")
        x = norm(x, train=train, mask=mask)
      x = jax.nn.leaky_relu(x, 0.2)
    dense = Dense(_HIDDEN * self.width, dtype=self.dtype, name="dense")
    x = jax.nn.leaky_relu(dense(x.reshape(b, -1)), 0.2)
    return Dense(1, name="head")(x)[:, 0]
