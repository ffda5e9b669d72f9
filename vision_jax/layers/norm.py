"""Batch normalization that knows which examples count, and on which shards."""

import functools
import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from vision_jax.core.mapped import mapped_axis
from vision_jax.core.types import Array

# Flax's default variance, mean(x²) - mean(x)², is off by half where the mean is
# a thousand deviations.
LayerNorm = functools.partial(nn.LayerNorm, use_fast_variance=False)


class BatchNorm(nn.Module):
  """Batch normalization over all but the last axis (Ioffe & Szegedy, 2015).

  Moments are those of the examples with mask 1 on *all* shards: masked sums,
  square sums and the count are added over `axis_name` before dividing, so that
  ragged masks, or a shard that is all padding, give what one device gives, in
  the gradient too. Under `jit` with a batch sharded over a mesh no axis is
  needed: the sums are over the global batch. What is summed is less the
  examples' first values, so that a mean of a thousand deviations costs nothing.

  The running variance is the biased one (divided by n), as in flax and the
  paper's training pass; torch keeps the unbiased one. A batch without a single
  example leaves the running moments as they are.

  Collection "batch_stats": mean (d,), var (d,). Both, and every sum, float32.

  Attributes:
    axis_name: the mapped axis under `pmap` or `shard_map`, else None.
    momentum: of the running moments; 0.9 here is 0.1 in torch.
    epsilon: added to the variance.
    dtype: of the result.
    scale_init: initial scale; zeros make a residual branch start as nothing.
  """

  axis_name: str | None = None
  momentum: float = 0.9
  epsilon: float = 1e-5
  dtype: Any = jnp.float32
  scale_init: nn.initializers.Initializer = nn.initializers.ones

  @nn.compact
  def __call__(
    self, x: Array, *, train: bool, mask: Array | None = None
  ) -> Array:
    """Normalizes x (b, ..., d); `mask` (b,) says which examples count.

    With train=True the batch's moments normalize and move the running ones
    (make "batch_stats" mutable); with train=False the running ones normalize.
    """
    shape = x.shape[-1:]
    mean = self.variable("batch_stats", "mean", jnp.zeros, shape, jnp.float32)
    var = self.variable("batch_stats", "var", jnp.ones, shape, jnp.float32)
    scale = self.param("scale", self.scale_init, shape, jnp.float32)
    bias = self.param("bias", nn.initializers.zeros, shape, jnp.float32)
    x = x.astype(jnp.float32)
    if train:
      axis = self.axis_name or mapped_axis()
      axis = None if self.is_initializing() else axis
      batch_mean, batch_var, count = moments(x, mask, axis)
      if not self.is_initializing():
        rate = jnp.where(count > 0, 1 - self.momentum, 0)
        mean.value += rate * (batch_mean - mean.value)
        var.value += rate * (batch_var - var.value)
    else:
      batch_mean, batch_var = mean.value, var.value
    # x * a + b rather than (x - mean) * a + bias: the gradient then takes two
    # reductions over the activations and not four.
    factor = scale * jax.lax.rsqrt(batch_var + self.epsilon)
    return (x * factor + (bias - batch_mean * factor)).astype(self.dtype)


def first_values(
  x: Array, mask: Array | None = None, axis_name: str | None = None
) -> Array:
  """Returns the mean (d,) of the examples' first values, without gradient.

  What x is shifted by before its squares are added up: mean(x²) - mean(x)²
  keeps nothing of a variance that is small beside the mean. These values are a
  part of the data, so that they are near its mean where its variance is small;
  the shift changes no result but by rounding.

  Args:
    x, mask, axis_name: as for `moments`.
  """
  first = jax.lax.stop_gradient(x[(slice(None), *[0] * (x.ndim - 2))])
  kept = jnp.ones(len(x), bool) if mask is None else mask > 0
  total = jnp.sum(jnp.where(kept[:, None], first, 0), 0)
  count = jnp.sum(kept, dtype=jnp.float32)
  if axis_name is not None:
    total, count = jax.lax.psum((total, count), axis_name)
  return total / jnp.maximum(count, 1)


def moments(
  x: Array, mask: Array | None = None, axis_name: str | None = None
) -> tuple[Array, Array, Array]:
  """Returns mean (d,), biased variance (d,) and the number of values, float32.

  Args:
    x: (b, ..., d), float32.
    mask: (b,), 1 for the examples that count; None for all.
    axis_name: the mapped axis to add over; None for none.
  """
  inner = tuple(range(1, x.ndim - 1))
  shift = first_values(x, mask, axis_name)
  x = x - shift
  # Each example's sums first: the mask then costs nothing per pixel.
  sums = jnp.stack([jnp.sum(x, inner), jnp.sum(x * x, inner)])
  if mask is None:
    examples = jnp.float32(x.shape[0])
  else:
    weight = mask.astype(jnp.float32)[:, None]
    sums = jnp.where(weight == 0, 0, sums * weight)
    examples = jnp.sum(weight)
  sums, examples = jnp.sum(sums, axis=1), jax.lax.stop_gradient(examples)
  if axis_name is not None:
    sums, examples = jax.lax.psum((sums, examples), axis_name)
  count = examples * math.prod(x.shape[1:-1])
  mean, square = sums / jnp.where(count == 0, 1, count)
  return shift + mean, jnp.maximum(square - mean * mean, 0), count
