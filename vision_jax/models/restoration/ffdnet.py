"""FFDNet: removes noise of a level that it is given, at half the size."""

import functools
from typing import ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import ArrayLike, DTypeLike

from vision_jax.core.types import Array
from vision_jax.layers.conv import Conv
from vision_jax.layers.upsample import pixel_shuffle, pixel_unshuffle
from vision_jax.ops.shapes import check_shape


class FFDNet(nn.Module):
  """FFDNet (Zhang et al., 2018), arxiv.org/abs/1710.04026.

  Squares of 2 x 2 pixels become channels, beside a map of the noise's level,
  and 3x3 convolutions with ReLU give the clean image's. 485,316 parameters for
  grey images, and 852,108 for colours (`FFDNET_COLOUR`), BatchNorm merged into
  biases as in the authors' files. Odd sides are made even by a copy of the
  last row or column, which is cut off again. Paths conv1, conv2, ...

  Attributes:
    channels: of the images.
    width: features between the convolutions.
    depth: convolutions.
    dtype: type to compute in; parameters and the last convolution are
      float32.
  """

  channels: int = 1
  width: int = 64
  depth: int = 15
  dtype: DTypeLike = jnp.float32
  takes_noise: ClassVar[bool] = True

  @nn.compact
  def __call__(
    self,
    x: Array,
    noise: ArrayLike = 0.0,
    *,
    train: bool,
    mask: Array | None = None,
  ) -> Array:
    """Maps images x (b, h, w, c) in [0, 1] to clean ones, float32.

    `noise` is its deviation in [0, 1], one for each image (b,) or for all, or
    a map of it (b, h, w, 1).
    """
    del train, mask
    check_shape("image", x, f"b h w {self.channels}")
    b, h, w, _ = x.shape
    noise = jnp.broadcast_to(noise, (b,)) if jnp.ndim(noise) < 2 else noise
    even = ((0, 0), (0, h % 2), (0, w % 2), (0, 0))
    x = pixel_unshuffle(jnp.pad(x, even, "edge"), 2)
    if noise.ndim == 1:
      level = jnp.broadcast_to(noise[:, None, None, None], (*x.shape[:3], 1))
    else:
      check_shape("noise", noise, f"{b} {h} {w} 1")
      level = jnp.pad(noise, even, "edge")[:, ::2, ::2]
    x = jnp.concatenate([x, level.astype(x.dtype)], axis=-1)
    for i in range(1, self.depth + 1):
      last = i == self.depth
      x = Conv(
        4 * self.channels if last else self.width,
        use_bias=True,
        dtype=jnp.float32 if last else self.dtype,
        name=f"conv{i}",
      )(x)
      x = x if last else jax.nn.relu(x)
    return pixel_shuffle(x, 2)[:, :h, :w]


FFDNET_COLOUR = functools.partial(FFDNet, channels=3, width=96, depth=12)
