"""Layers of normalizing flows: invertible, with their log-determinants.

Each is called `(x, *, inverse=False, train=False, mask=None)` with x
(b, h, w, c), float32, and returns y and, (b,), the logarithm of the absolute
determinant of the derivative of each example's y by its x; with `inverse` both
are of the inverse function. `mask` (b,) says which examples count, where
something is learned of a whole batch.
"""

from collections.abc import Iterable

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.mapped import mapped_axis
from vision_jax.core.types import Array
from vision_jax.layers.conv import Conv
from vision_jax.layers.norm import moments

Moved = tuple[Array, Array]  # y, and the log-determinant (b,)


def through(
  layers: Iterable[nn.Module],
  x: Array,
  *,
  inverse: bool = False,
  train: bool = False,
  mask: Array | None = None,
) -> Moved:
  """Applies layers in order, or their inverses from the last to the first."""
  layers, total = list(layers), jnp.zeros(len(x))
  for layer in reversed(layers) if inverse else layers:
    x, log_det = layer(x, inverse=inverse, train=train, mask=mask)
    total += log_det
  return x, total


class ActNorm(nn.Module):
  """Each channel at mean 0 and deviation 1 in the first batch, then learned.

  Kingma & Dhariwal, https://arxiv.org/abs/1807.03039, section 3.1. Parameters
  log_scale (d,) and bias (d,), which begin as 0; collection "first_batch": mean
  (d,) and deviation (d,) of the first batch that it was trained on, of all its
  examples with mask 1 on all shards, and `known`, 1 from then on. Where a batch
  comes in microbatches, the first of them counts. Before, and if it never
  trains, it does nothing.

  Differs from the paper: there the first batch sets the parameters themselves;
  here they act on what it has normalised, so that an initial state needs no
  data. The function is the same, and an optimizer's steps on the bias are
  measured in deviations.
  """

  @nn.compact
  def __call__(
    self,
    x: Array,
    *,
    inverse: bool = False,
    train: bool = False,
    mask: Array | None = None,
  ) -> Moved:
    """Maps x (b, h, w, d); with `train` make "first_batch" mutable."""
    b, h, w, d = x.shape
    variable = lambda name, make, *shape: self.variable(
      "first_batch", name, make, shape, jnp.float32
    )
    mean = variable("mean", jnp.zeros, d)
    deviation = variable("deviation", jnp.ones, d)
    known = variable("known", jnp.zeros)
    log_scale = self.param("log_scale", nn.initializers.zeros, (d,))
    bias = self.param("bias", nn.initializers.zeros, (d,))
    if train and not self.is_initializing():
      old = (mean.value, deviation.value, known.value)
      new = _first_batch(old, jax.lax.stop_gradient(x), mask)
      mean.value, deviation.value, known.value = new
    scale = jnp.exp(log_scale) / deviation.value
    log_det = h * w * jnp.sum(log_scale - jnp.log(deviation.value))
    if inverse:
      y, log_det = (x - bias) / scale + mean.value, -log_det
    else:
      y = (x - mean.value) * scale + bias
    return y, jnp.broadcast_to(log_det, (b,))


def _first_batch(
  old: tuple[Array, Array, Array], x: Array, mask: Array | None
) -> tuple[Array, Array, Array]:
  """Returns what is known after a batch: what was before, if that is any."""
  axis = mapped_axis()

  def look():
    mean, variance, count = moments(x.astype(jnp.float32), mask, axis)
    new = (mean, jnp.sqrt(jnp.maximum(variance, 1e-6)), jnp.ones(()))
    return tuple(
      jnp.where(count > 0, n, o) for n, o in zip(new, old, strict=True)
    )

  # The moments cost as much as the layer, and are wanted once.
  return jax.lax.cond(old[2] > 0, lambda: old, look)


class Squeeze(nn.Module):
  """Squares of 2x2 pixels as channels: Dinh et al., arXiv 1605.08803, 3.6."""

  @nn.compact
  def __call__(
    self,
    x: Array,
    *,
    inverse: bool = False,
    train: bool = False,
    mask: Array | None = None,
  ) -> Moved:
    """Maps (b, h, w, c) to (b, h / 2, w / 2, 4 c), or back."""
    del train, mask
    b, h, w, c = x.shape
    if inverse:
      y = x.reshape(b, h, w, 2, 2, c // 4).transpose(0, 1, 3, 2, 4, 5)
      return y.reshape(b, 2 * h, 2 * w, c // 4), jnp.zeros(b)
    y = x.reshape(b, h // 2, 2, w // 2, 2, c).transpose(0, 1, 3, 2, 4, 5)
    return y.reshape(b, h // 2, w // 2, 4 * c), jnp.zeros(b)


class ZeroConv(nn.Module):
  """A convolution that begins as 0; paths conv, and log_scale (d,).

  Results are float32, times e^(3 log_scale): arXiv 1807.03039, section 3.3, and
  its authors' code, which has the 3.

  Attributes:
    features: channels of the result, d.
    kernel: side of the window.
    dtype: type to compute in.
  """

  features: int
  kernel: int = 3
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(self, x: Array) -> Array:
    """Maps x (b, h, w, c) to (b, h, w, d) float32."""
    conv = Conv(
      self.features,
      self.kernel,
      use_bias=True,
      dtype=self.dtype,
      kernel_init=nn.initializers.zeros,
      name="conv",
    )
    zeros = nn.initializers.zeros
    log_scale = self.param("log_scale", zeros, (self.features,))
    return conv(x).astype(jnp.float32) * jnp.exp(3 * log_scale)


class Prior(nn.Module):
  """What leaves a flow at a split, standardised by what stays; path net.

  z is normal, and its mean and deviation are a convolution of what stays, as in
  the authors' code of arXiv 1807.03039.
  """

  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(self, z: Array, kept: Array, *, inverse: bool = False) -> Moved:
    """Maps z (b, h, w, c) to what is standard normal, or back."""
    out = ZeroConv(2 * z.shape[-1], dtype=self.dtype, name="net")(kept)
    mean, log_deviation = jnp.split(out, 2, -1)
    log_det = -jnp.sum(log_deviation, (1, 2, 3))
    if inverse:
      return z * jnp.exp(log_deviation) + mean, -log_det
    return (z - mean) * jnp.exp(-log_deviation), log_det
