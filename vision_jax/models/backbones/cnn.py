"""A small convolutional network that learns MNIST in about a minute."""

import functools
from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.layers.conv import Conv, max_pool
from vision_jax.layers.dense import Dense
from vision_jax.layers.norm import BatchNorm
from vision_jax.layers.stochastic import Dropout
from vision_jax.ops.shapes import check_shape


class CNN(nn.Module):
  """Stages of convolution, BatchNorm and ReLU, with maxima between them.

  The first convolution is 5x5 with stride 2, so that nothing is computed at
  full resolution, to save time on a CPU. The head sees where features are, not
  only their average: 99.33 against 99.16 % after two epochs of MNIST, with one
  seed. Paths conv1, bn1, conv2, ..., head.

  Attributes:
    num_classes: k; 0 for a net without a head, which gives what goes into it.
    stages: features of the convolutions of each stage; the image is halved
      before each stage.
    dropout: probability of zeroing a feature before the head.
    momentum: decay of BatchNorm's running moments.
    dtype: type to compute in; parameters and the head are float32.
  """

  num_classes: int
  stages: Sequence[Sequence[int]] = ((32, 32), (64, 64))
  dropout: float = 0.0
  momentum: float = 0.9
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(
    self, x: Array, *, train: bool, mask: Array | None = None
  ) -> Array:
    """Maps images x (b, h, w, c) of one size to logits (b, k) float32.

    Without a head to features (b, d).
    """
    b, *_ = check_shape("image", x, "b h w c")
    conv = functools.partial(Conv, dtype=self.dtype)
    norm = functools.partial(
      BatchNorm, momentum=self.momentum, dtype=self.dtype
    )
    number = 0
    for i, stage in enumerate(self.stages):
      x = max_pool(x) if i else x
      for features in stage:
        number += 1
        kernel, stride = (5, 2) if number == 1 else (3, 1)
        x = conv(features, kernel, stride, name=f"conv{number}")(x)
        x = norm(name=f"bn{number}")(x, train=train, mask=mask)
        x = jax.nn.relu(x)
    x = Dropout(self.dropout)(x.reshape(b, -1), train=train)
    return Dense(self.num_classes, name="head")(x) if self.num_classes else x
