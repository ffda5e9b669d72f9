"""LeNet-5, in the form that is trained today."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.layers.conv import Conv, max_pool
from vision_jax.layers.dense import Dense
from vision_jax.ops.shapes import check_shape

_HE = nn.initializers.he_normal()


class LeNet5(nn.Module):
  """LeNet-5 (LeCun et al., 1998), 61,706 parameters for MNIST.

  Paths follow the paper: c1, c3 (5x5 convolutions), c5, f6, output. MNIST's
  28 x 28 images are padded by 2 to the paper's 32 x 32 in c1.

  Differs from the paper: ReLU for tanh, maximum for trainable subsampling, c3
  sees all of c1's maps and not a hand-made table of them, and the output is a
  softmax layer in place of radial basis functions.

  Attributes:
    num_classes: k.
    padding: zeros around the image; 0 for images of 32 x 32.
    dtype: type to compute in; parameters and the output are float32.
  """

  num_classes: int
  padding: int = 2
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(
    self, x: Array, *, train: bool, mask: Array | None = None
  ) -> Array:
    """Maps images x (b, h, w, c), at least 12 a side, to logits (b, k)."""
    b, *_ = check_shape("image", x, "b h w c")
    init = {"dtype": self.dtype, "kernel_init": _HE}
    conv = functools.partial(Conv, kernel=5, use_bias=True, **init)
    dense = functools.partial(Dense, **init)
    x = max_pool(jax.nn.relu(conv(6, padding=self.padding, name="c1")(x)))
    x = max_pool(jax.nn.relu(conv(16, padding=0, name="c3")(x)))
    x = jax.nn.relu(dense(120, name="c5")(x.reshape(b, -1)))
    x = jax.nn.relu(dense(84, name="f6")(x))
    return Dense(self.num_classes, name="output")(x)
