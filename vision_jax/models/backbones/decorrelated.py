"""A plain convolutional net for few epochs, which sees decorrelated patches."""

import functools
from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.layers.conv import HE_NORMAL, Conv, convolve, max_pool
from vision_jax.layers.dense import Dense
from vision_jax.layers.norm import BatchNorm
from vision_jax.ops.extremes import largest
from vision_jax.ops.shapes import check_shape

# Brightness and two opponent colours, of red, green and blue.
_OPPONENT = np.array([[1, 1, 1], [1, 0, -1], [1, -2, 1]]) / np.sqrt(
  [[3], [2], [6]]
)
_HAAR = np.array([[1, 1], [1, -1]]) / np.sqrt(2)


class DecorrelatedCNN(nn.Module):
  """Groups of two convolutions, on patches of which each part weighs the same.

  After the net of Jordan, https://arxiv.org/abs/2404.00498: a fixed layer
  whitens patches of 2 x 2, so that nothing has to learn it; each group halves
  the image after its first convolution; kernels begin as the identity of what
  they see. Differs from the paper: the patches' basis is Haar's times opponent
  colours, which decorrelates natural images nearly, and BatchNorm standardises
  its coefficients, where the paper takes eigenvectors of the training images;
  ReLU in place of GELU. Paths patches, conv1, norm1, conv2, ..., head.

  Attributes:
    num_classes: k; 0 for a net without a head, which gives features.
    widths: channels of each group.
    epsilon: added to the variance of the patches' coefficients, so that those
      which hardly vary, such as fine colours of JPEGs, are not made large.
    scale: of the logits.
    dtype: type to compute in; parameters and the head are float32.
  """

  num_classes: int
  widths: Sequence[int] = (64, 256, 256)
  epsilon: float = 1e-3
  scale: float = 1 / 9
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(
    self, x: Array, *, train: bool, mask: Array | None = None
  ) -> Array:
    """Maps images x (b, h, w, 3) of one size to logits (b, k) float32.

    Without a head to features (b, d).
    """
    check_shape("image", x, "b h w 3")
    moments = {"train": train, "mask": mask}
    norm = functools.partial(BatchNorm, dtype=self.dtype)
    conv = functools.partial(Conv, kernel_init=identity, dtype=self.dtype)
    x = convolve(x.astype(self.dtype), jnp.asarray(patch_basis(), jnp.float32))
    x = norm(epsilon=self.epsilon, name="patches")(x, **moments)
    x = jax.nn.relu(jnp.concatenate([x, -x], -1))
    for i, width in enumerate(self.widths):
      for j in (1, 2):
        x = conv(width, name=f"conv{2 * i + j}")(x)
        x = max_pool(x) if j == 1 else x
        x = jax.nn.relu(norm(name=f"norm{2 * i + j}")(x, **moments))
    x = largest(x.reshape(x.shape[0], -1, x.shape[-1]), 1)
    if not self.num_classes:
      return x
    return Dense(self.num_classes, name="head")(x) * self.scale


def identity(key: Array, shape: Sequence[int], dtype=jnp.float32) -> Array:
  """Initial kernel (h, w, c, d): feature i is channel i, others are drawn."""
  h, w, c, d = shape
  first = np.arange(d) < c
  copies = np.zeros(shape, np.float32)
  n = min(c, d)
  copies[h // 2, w // 2, np.arange(n), np.arange(n)] = 1
  return jnp.where(first, copies, HE_NORMAL(key, shape, dtype))


def patch_basis() -> np.ndarray:
  """Returns kernels (2, 2, 3, 12): Haar's of each opponent colour."""
  return np.einsum("ia,jb,oc->abcijo", _HAAR, _HAAR, _OPPONENT).reshape(
    2, 2, 3, 12
  )
