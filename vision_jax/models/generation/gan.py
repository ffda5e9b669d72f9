"""Generators and discriminators of dense layers.

Generators map z (b, d) to images in (-1, 1); discriminators map images to a
logit each, (b,). With `num_classes` both take the label, int (b,).
"""

import functools
from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.layers.dense import Dense
from vision_jax.models.generation.autoencoder import join


class DenseGenerator(nn.Module):
  """Dense layers with ReLU and a tanh at the end, on z and the class.

  Goodfellow et al. (2014), and Mirza & Osindero, arxiv.org/abs/1411.1784.

  Attributes:
    shape: (h, w, c) of the images.
    latent: size of z.
    hidden: features of the layers in between.
    num_classes: k of a conditional generator, else 0.
    dtype: type to compute in; parameters and the head are float32.
  """

  shape: Sequence[int]
  latent: int = 64
  hidden: Sequence[int] = (128, 256)
  num_classes: int = 0
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(
    self,
    z: Array,
    label: Array | None = None,
    *,
    train: bool,
    mask: Array | None = None,
  ) -> Array:
    """Maps z (b, d) to images (b, h, w, c) float32."""
    h, w, c = self.shape
    x = join(z, one_hot(label, self.num_classes))
    dense = functools.partial(Dense, dtype=self.dtype)
    for i, features in enumerate(self.hidden, 1):
      x = jax.nn.relu(dense(features, name=f"dense{i}")(x))
    x = Dense(h * w * c, name="head")(x)
    return jnp.tanh(x).reshape(-1, h, w, c)


class DenseDiscriminator(nn.Module):
  """Dense layers with leaky ReLU on the pixels and the class.

  Attributes:
    hidden: features of the layers in between.
    num_classes: k of a conditional discriminator, else 0.
    dtype: type to compute in; parameters and the head are float32.
  """

  hidden: Sequence[int] = (256, 128)
  num_classes: int = 0
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(
    self,
    x: Array,
    label: Array | None = None,
    *,
    train: bool,
    mask: Array | None = None,
  ) -> Array:
    """Maps images x (b, h, w, c) to logits (b,) float32."""
    x = join(x.reshape(x.shape[0], -1), one_hot(label, self.num_classes))
    dense = functools.partial(Dense, dtype=self.dtype)
    for i, features in enumerate(self.hidden, 1):
      x = jax.nn.leaky_relu(dense(features, name=f"dense{i}")(x), 0.2)
    return Dense(1, name="head")(x)[:, 0]


def one_hot(label: Array | None, classes: int) -> Array | None:
  """Returns classes (b, k) of labels (b,); None of an unconditional net."""
  return jax.nn.one_hot(label, classes, dtype=jnp.float32) if classes else None
