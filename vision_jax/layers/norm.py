"""Layer normalization, and batch normalization of the examples that count."""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.mapped import automatic_devices, mapped_axis
from vision_jax.core.norm_group import group_size
from vision_jax.core.types import Array
from vision_jax.forms.choice import form


class LayerNorm(nn.Module):
  """Normalization of each token's features (Ba et al., 2016).

  Parameters scale (d,) and bias (d,); every sum is float32. The variance is
  mean((x - mean)²): mean(x²) - mean(x)² is off by half where the mean is a
  thousand deviations. In the form "again" the backward pass computes all of it
  again, so that x is kept in its own dtype, and no float32 copies of it.

  Attributes:
    epsilon: added to the variance.
    dtype: type of the result.
  """

  epsilon: float = 1e-6
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(self, x: Array) -> Array:
    """Normalizes x (..., d)."""
    shape = x.shape[-1:]
    scale = self.param("scale", nn.initializers.ones, shape, jnp.float32)
    bias = self.param("bias", nn.initializers.zeros, shape, jnp.float32)
    normalize = self._normalize
    if form("layer_norm") == "again":
      normalize = jax.checkpoint(normalize)
    return normalize(x, scale, bias)

  def _normalize(self, x: Array, scale: Array, bias: Array) -> Array:
    x = x.astype(jnp.float32)
    x = x - jnp.mean(x, -1, keepdims=True)
    variance = jnp.mean(x * x, -1, keepdims=True)
    y = x * (jax.lax.rsqrt(variance + self.epsilon) * scale) + bias
    return y.astype(self.dtype)


class BatchNorm(nn.Module):
  """Batch normalization over all but the last axis (Ioffe & Szegedy, 2015).

  Moments are those of the examples with mask 1 on *all* shards: masked sums,
  square sums and the count are added over the mapped axis before dividing, so
  that ragged masks, or a shard that is all padding, give what one device gives,
  in the gradient too. Under `jit` with a batch sharded over a mesh the sums are
  over the global batch by themselves. Within `grouped_norms` they are those
  of each group of as many examples, in order. What is summed is less the
  examples' first values, so that a mean of a thousand deviations costs nothing.

  The running variance is the biased one (divided by n), as in flax and the
  paper's training pass; torch keeps the unbiased one. Of several groups it is
  the mean of theirs. A batch without a single example leaves the running
  moments as they are.

  Collection "batch_stats": mean (d,), var (d,). Both, and every sum, float32.

  Attributes:
    momentum: decay of the running moments; 0.9 here is 0.1 in torch.
    epsilon: added to the variance.
    dtype: type of the result.
    scale_init: initial scale; zeros make a residual branch start as nothing.
    per_image: whether with train=False each example's own moments normalize it.
  """

  momentum: float = 0.9
  epsilon: float = 1e-5
  dtype: DTypeLike = jnp.float32
  scale_init: nn.initializers.Initializer = nn.initializers.ones
  per_image: bool = False

  @nn.compact
  def __call__(
    self, x: Array, *, train: bool, mask: Array | None = None
  ) -> Array:
    """Normalizes x (b, ..., d); `mask` (b,) says which examples count.

    With train=True the batch's moments normalize and move the running ones
    (make "batch_stats" mutable); with train=False the running ones normalize,
    or each example's own.
    """
    shape = x.shape[-1:]
    mean = self.variable("batch_stats", "mean", jnp.zeros, shape, jnp.float32)
    var = self.variable("batch_stats", "var", jnp.ones, shape, jnp.float32)
    scale = self.param("scale", self.scale_init, shape, jnp.float32)
    bias = self.param("bias", nn.initializers.zeros, shape, jnp.float32)
    x = x.astype(jnp.float32)
    axis, group = mapped_axis() if train else None, 0
    if train and not self.is_initializing():
      group = group_size(len(x), automatic_devices())
      batch_mean, batch_var, *new = _of_groups(x, mask, group, axis)
      new_mean, new_var, count = new
      rate = jnp.where(count > 0, 1 - self.momentum, 0)
      mean.value += rate * (new_mean - mean.value)
      var.value += rate * (new_var - var.value)
    elif train:
      batch_mean, batch_var, _ = moments(x, mask)
    elif self.per_image:
      group = 1
      batch_mean, batch_var, _ = jax.vmap(moments)(x[:, None])
    else:
      batch_mean, batch_var = mean.value, var.value
    # x * a + b rather than (x - mean) * a + bias: the gradient then takes two
    # reductions over the activations and not four.
    factor = scale * jax.lax.rsqrt(batch_var + self.epsilon)
    offset = bias - batch_mean * factor
    if group:
      factor, offset = _to_examples(factor, x), _to_examples(offset, x)
    return (x * factor + offset).astype(self.dtype)


def _of_groups(x: Array, mask: Array | None, group: int, axis: str | None):
  """Returns the moments to normalize by, and those for the running ones.

  The first two are (d,), or (groups, d); the rest are mean (d,), var (d,) and
  the number of values, over all shards.
  """
  if not group:
    mean, var, count = moments(x, mask, axis)
    return mean, var, mean, var, count
  split = lambda a: a.reshape(-1, group, *a.shape[1:])
  split_mask = None if mask is None else split(mask)
  mean, var, count = jax.vmap(moments)(split(x), split_mask)
  both = jnp.concatenate([mean, var], axis=1)
  total, number = _add_up(both * count[:, None], count, axis)
  total = jax.lax.stop_gradient(total / jnp.where(number == 0, 1, number))
  return mean, var, *jnp.split(total, 2), number


def _to_examples(a: Array, x: Array) -> Array:
  """Repeats the values of each group (g, d) for its examples, as x's axes."""
  g, d = a.shape
  a = jnp.broadcast_to(a[:, None], (g, len(x) // g, d))
  return a.reshape(len(x), *[1] * (x.ndim - 2), d)


def first_values(
  x: Array, mask: Array | None = None, axis: str | None = None
) -> Array:
  """Returns the mean (d,) of the examples' first values, without gradient.

  What x is shifted by before its squares are added up: mean(x²) - mean(x)²
  keeps nothing of a variance that is small beside the mean. These values are a
  part of the data, so that they are near its mean where its variance is small;
  the shift changes no result but by rounding.

  Args:
    x, mask, axis: as for `moments`.
  """
  first = jax.lax.stop_gradient(x[(slice(None), *[0] * (x.ndim - 2))])
  kept = jnp.ones(len(x), bool) if mask is None else mask > 0
  first = jnp.where(kept[:, None], first, 0)
  total, count = _add_up(first, kept.astype(jnp.float32), axis)
  return total / jnp.maximum(count, 1)


def moments(
  x: Array, mask: Array | None = None, axis: str | None = None
) -> tuple[Array, Array, Array]:
  """Returns mean (d,), biased variance (d,) and the number of values, float32.

  Args:
    x: (b, ..., d), float32.
    mask: (b,), 1 for the examples that count; None for all.
    axis: the mapped axis to add over; None for none.
  """
  inner = tuple(range(1, x.ndim - 1))
  shift = first_values(x, mask, axis)
  x = x - shift
  # Each example's sums first: the mask then costs nothing per pixel.
  sums = jnp.concatenate([jnp.sum(x, inner), jnp.sum(x * x, inner)], axis=1)
  weight = jnp.ones(len(x)) if mask is None else mask.astype(jnp.float32)
  if mask is not None:
    sums = jnp.where(weight[:, None] == 0, 0, sums * weight[:, None])
  sums, examples = _add_up(sums, weight, axis)
  count = jax.lax.stop_gradient(examples) * math.prod(x.shape[1:-1])
  mean, square = jnp.split(sums / jnp.where(count == 0, 1, count), 2)
  return shift + mean, jnp.maximum(square - mean * mean, 0), count


def _add_up(values: Array, weight: Array, axis: str | None):
  """Returns the sums of values (b, d) and of weights (b,) over all shards.

  As one array, so that devices wait for each other once and not twice.
  """
  both = jnp.concatenate([values, weight[:, None]], axis=1)
  total = jnp.sum(both, axis=0)
  total = total if axis is None else jax.lax.psum(total, axis)
  return total[:-1], total[-1]
