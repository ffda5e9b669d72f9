"""AdaIN's decoder: a VGG's maps back to pixels."""

from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.layers.conv import Conv
from vision_jax.models.translation.resnet import mirrored


class AdaINDecoder(nn.Module):
  """Draws images of maps relu4_1 (Huang and Belongie, 2017).

  arxiv.org/abs/1703.06868. As a VGG-19 up to there in reverse: pixels are
  repeated where it pools, and borders are mirrored; no norm, which would take
  away what a style is. 3,505,219 parameters. Paths conv4_1, conv3_4, ...,
  conv1_1, of the encoder's convolution that each one reverses.

  Attributes:
    stages: features of the encoder's convolutions, a tuple for each stage, up
      to the map's own.
    channels: of the result.
    dtype: type to compute in; parameters and the last layer are float32.
  """

  stages: Sequence[Sequence[int]] = ((64,) * 2, (128,) * 2, (256,) * 4, (512,))
  channels: int = 3
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(
    self, x: Array, *, train: bool, mask: Array | None = None
  ) -> Array:
    """Maps maps x (b, h, w, c) to images (b, h 2^n, w 2^n, channels).

    n is one less than the stages; pixels have no bounds.
    """
    del train, mask
    names = [
      (i, j) for i, stage in enumerate(self.stages) for j in range(len(stage))
    ]
    for number in range(len(names))[::-1]:
      stage, i = names[number]
      below = names[number - 1] if number else None
      last = below is None
      width = self.channels if last else self.stages[below[0]][below[1]]
      conv = Conv(
        *(width, 3, 1, 0),
        use_bias=True,
        dtype=jnp.float32 if last else self.dtype,
        name=f"conv{stage + 1}_{i + 1}",
      )
      x = conv(mirrored(x, 1))
      if not last:
        x = jax.nn.relu(x)
        x = x.repeat(2, 1).repeat(2, 2) if below[0] < stage else x
    return x
