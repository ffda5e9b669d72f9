"""StyleGAN2's discriminator: residual blocks that halve a map."""

import math
from collections.abc import Sequence

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.layers.equalized import EqualConv, EqualDense, leaky
from vision_jax.models.generation.autoencoder import check_halves
from vision_jax.models.generation.gan import one_hot
from vision_jax.ops.binomial import blur, downsample
from vision_jax.ops.shapes import check_shape


class StyleGAN2Discriminator(nn.Module):
  """Karras et al., 2020, https://arxiv.org/abs/1912.04958, figure 7 c.

  A conditional one has a logit of each class, of which it gives that of the
  image's. Differs: no deviation over a minibatch, by which an image's logit
  would depend on the others.

  Attributes:
    widths: features of the maps, largest map first; the last is not halved.
    num_classes: k of a conditional discriminator, else 0.
    dtype: type to compute in; parameters and the head are float32.
  """

  widths: Sequence[int] = (128, 256, 512, 512)
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
    del train, mask  # nothing is as it is in training alone
    b, h, w, _ = check_shape("image", x, "b h w c")
    check_halves((h, w), len(self.widths) - 1)
    of_pixels = EqualConv(self.widths[0], 1, dtype=self.dtype, name="pixels")
    x = leaky(of_pixels(x))
    for i, features in enumerate(self.widths[1:], 1):
      x = _Block(features, self.dtype, name=f"block{i}")(x)
    width = self.widths[-1]
    x = leaky(EqualConv(width, dtype=self.dtype, name="conv")(x))
    x = x.reshape(b, -1).astype(jnp.float32)
    x = leaky(EqualDense(width, name="dense")(x))
    logits = EqualDense(self.num_classes or 1, name="head")(x)
    if not self.num_classes:
      return logits[:, 0]
    return jnp.sum(logits * one_hot(label, self.num_classes), -1)


class _Block(nn.Module):
  """Two convolutions, the second to half the size, and a way past them."""

  features: int
  dtype: DTypeLike

  @nn.compact
  def __call__(self, x: Array) -> Array:
    options = {"dtype": self.dtype}
    y = leaky(EqualConv(x.shape[-1], **options, name="conv1")(x))
    y = EqualConv(self.features, stride=2, padding=0, **options, name="conv2")(
      blur(y, 2)
    )
    past = EqualConv(self.features, 1, use_bias=False, **options, name="past")
    return (leaky(y) + past(downsample(x))) / math.sqrt(2)
