"""The transformer of Deformable DETR: each query looks at a few points.

Zhu et al., 2021, https://arxiv.org/abs/2010.04159.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.errors import UserError
from vision_jax.layers.attention import XAVIER
from vision_jax.layers.dense import Dense
from vision_jax.models.detection.detr_layers import (
  DecoderLayer,
  EncoderLayer,
  feed_forward,
  parts,
)
from vision_jax.ops.deformable import Sides, sample_levels


class DeformableAttention(nn.Module):
  """Attention of each query to points around it, of maps of several sizes.

  Where they are, and what each weighs, a query says without a look at the
  maps. At first head i looks in its own direction, a pixel further at each
  point. Paths offsets, weights, value, out: a Dense each.

  Attributes:
    heads: number of heads, m; divides the features.
    points: p, of each head in each map.
    sides: (h, w) of each map.
    dtype: type to compute in; parameters are float32, and so are the points.
  """

  heads: int
  points: int
  sides: Sides
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(
    self, query: Array, place: Array, value: Array, mask: Array | None = None
  ) -> Array:
    """Maps query (b, q, d) and value (b, l, d) to (b, q, d).

    Args:
      query: what says where to look.
      place: where each query is in each of the i maps: points x, y
        (b, q, i, 2), about which offsets are pixels, or boxes cxcywh
        (b, q, i, 4), of which they are parts; in [0, 1] of the whole map.
      value: the maps' pixels, one map after the other.
      mask: (b, l), False where nothing is to be seen.
    """
    b, _, d = query.shape
    m, i, p = self.heads, len(self.sides), self.points
    if d % m:
      raise UserError(
        f"DeformableAttention: got {d} features and {m} heads; expected a "
        "number of heads that divides the features."
      )
    zeros, dense = nn.initializers.zeros, self._dense
    value = dense("value", d)(value)
    if mask is not None:
      value = jnp.where(mask[..., None], value, 0)
    start = lambda *_: jnp.asarray(_directions(m, i, p).ravel(), jnp.float32)
    offsets = dense("offsets", m * i * p * 2, zeros, start)(query)
    offsets = offsets.reshape(b, -1, m, i, p, 2).astype(jnp.float32)
    weights = dense("weights", m * i * p, zeros)(query).astype(jnp.float32)
    weights = jax.nn.softmax(weights.reshape(b, -1, m, i * p), -1)
    weights = weights.reshape(offsets.shape[:-1])
    y = sample_levels(
      *(value.reshape(b, -1, m, d // m), self._points(place, offsets), weights),
      self.sides,
    )
    return dense("out", d)(y.reshape(query.shape))

  def _dense(self, name, features, kernel=XAVIER, bias=nn.initializers.zeros):
    init = {"kernel_init": kernel, "bias_init": bias}
    return Dense(features, dtype=self.dtype, name=name, **init)

  def _points(self, place: Array, offsets: Array) -> Array:
    """Returns where each head looks, (b, q, m, i, p, 2)."""
    place = place[:, :, None, :, None]
    if place.shape[-1] == 4:
      return place[..., :2] + offsets / self.points * place[..., 2:] * 0.5
    widths = np.array([(w, h) for h, w in self.sides], np.float32)
    return place + offsets / widths[:, None]


class DeformableEncoderLayer(EncoderLayer):
  """Deformable attention of the maps' tokens to the maps, and an MLP.

  Attributes:
    points, sides: see `DeformableAttention`.
  """

  points: int = 4
  sides: Sides = ()

  @nn.compact
  def __call__(
    self,
    x: Array,
    positions: Array,
    place: Array,
    mask: Array | None,
    train: bool,
  ) -> Array:
    """Maps tokens x (b, l, d), each at `place`, to the same shape."""
    drop, _, norm = parts(self)
    y = attention_of(self, "self_attention")(x + positions, place, x, mask)
    x = norm("norm1")(x + drop(y, train))
    return norm("norm2")(x + feed_forward(self, x, train))


class DeformableDecoderLayer(DecoderLayer):
  """Self-attention of queries, deformable attention to the maps, and an MLP.

  Attributes:
    points, sides: see `DeformableAttention`.
  """

  points: int = 4
  sides: Sides = ()

  @nn.compact
  def __call__(
    self,
    x: Array,
    query_positions: Array,
    place: Array,
    memory: Array,
    mask: Array | None,
    train: bool,
    seen: Array | None = None,
  ) -> Array:
    """Maps queries x (b, q, d), each at `place`, to the same shape.

    `mask` (b, l) is False where there is nothing to be seen, and `seen`
    (b, q, q) where a query may not see another.
    """
    drop, attention, norm = parts(self)
    key = x + query_positions
    y = attention("self_attention")(key, key, x, mask=seen, train=train)
    x = norm("norm1")(x + drop(y, train))
    look = attention_of(self, "cross_attention")
    y = look(x + query_positions, place, memory, mask)
    x = norm("norm2")(x + drop(y, train))
    return norm("norm3")(x + feed_forward(self, x, train))


def attention_of(
  layer: DeformableEncoderLayer | DeformableDecoderLayer, name: str
) -> DeformableAttention:
  """Returns deformable attention with a layer's settings."""
  settings = layer.heads, layer.points, layer.sides, layer.dtype
  return DeformableAttention(*settings, name=name)


def _directions(heads: int, maps: int, points: int) -> np.ndarray:
  """Where heads look at first: on squares about the query, (m, i, p, 2)."""
  angle = np.arange(heads) * (2 * np.pi / heads)
  way = np.stack([np.cos(angle), np.sin(angle)], -1)
  way /= np.abs(way).max(-1, keepdims=True)
  steps = np.arange(1, points + 1)[:, None]
  return np.broadcast_to(
    way[:, None, None] * steps, (heads, maps, points, 2)
  ).copy()
