"""AlexNet, as torchvision has it: one column."""

import functools
from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.layers.conv import Conv, adaptive_average, max_pool
from vision_jax.layers.dense import Dense
from vision_jax.layers.stochastic import Dropout
from vision_jax.ops.shapes import check_shape

SIDES = (6, 6)  # of the map that the dense layers see
UNIFORM = nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")


class AlexNet(nn.Module):
  """AlexNet (Krizhevsky, 2014), arxiv.org/abs/1404.5997, of one column.

  Paths conv1, ..., conv5, fc6, fc7, fc8. As torchvision has it: without local
  response normalisation, and with means over windows in place of a fixed size
  of the image. Biases start at 0, and not as torchvision's by chance.

  Attributes:
    num_classes: k.
    features: of the five convolutions.
    hidden: features of fc6 and fc7.
    dropout: probability of zeroing a feature before fc6 and fc7.
    dtype: type to compute in; parameters and the head are float32.
  """

  num_classes: int
  features: Sequence[int] = (64, 192, 384, 256, 256)
  hidden: int = 4096
  dropout: float = 0.5
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(
    self, x: Array, *, train: bool, mask: Array | None = None
  ) -> Array:
    """Maps images x (b, h, w, c) to logits (b, k) float32."""
    del mask  # nothing here looks at other examples
    b, *_ = check_shape("image", x, "b h w c")
    layers = ((11, 4, 2), (5, 1, 2), (3, 1, 1), (3, 1, 1), (3, 1, 1))
    for i, (features, (kernel, stride, padding)) in enumerate(
      zip(self.features, layers, strict=True), 1
    ):
      conv = Conv(
        *(features, kernel, stride, padding),
        use_bias=True,
        dtype=self.dtype,
        kernel_init=UNIFORM,
        name=f"conv{i}",
      )
      x = jax.nn.relu(conv(x))
      x = max_pool(x, 3, 2) if i in (1, 2, 5) else x
    x = adaptive_average(x, SIDES).reshape(b, -1)
    dense = functools.partial(Dense, kernel_init=UNIFORM)
    for name in ("fc6", "fc7"):
      x = Dropout(self.dropout)(x, train=train)
      x = jax.nn.relu(dense(self.hidden, dtype=self.dtype, name=name)(x))
    return dense(self.num_classes, name="fc8")(x)
