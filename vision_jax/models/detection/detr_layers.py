"""The transformer of DETR: positions go to queries and keys, never to values.

Layers normalise after the residual addition, as in Vaswani et al. (2017) and
Carion et al. (2020, https://arxiv.org/abs/2005.12872).
"""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.errors import UserError
from vision_jax.layers.attention import XAVIER, attend
from vision_jax.layers.dense import Dense
from vision_jax.layers.norm import LayerNorm
from vision_jax.layers.stochastic import Dropout


class Attention(nn.Module):
  """Multi-head attention with separate queries, keys and values.

  Parameters query, key, value, out: a Dense (d, d) each.

  Attributes:
    heads: number of heads, m; divides the features.
    dropout: probability, for attention's weights; more than 0 leaves the fused
      kernels.
    dtype: type to compute in; parameters are float32.
  """

  heads: int
  dropout: float = 0.0
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(
    self,
    query: Array,
    key: Array,
    value: Array,
    *,
    mask: Array | None = None,
    train: bool,
  ) -> Array:
    """Maps query (b, q, d), key and value (b, l, d) to (b, q, d).

    `mask` (b, l), or (b, q, l) of each query, is False where nothing may
    attend to.
    """
    b, q, d = query.shape
    if d % self.heads:
      raise UserError(
        f"Attention: got {d} features and {self.heads} heads; expected a "
        "number of heads that divides the features."
      )

    def split(name, x):
      y = Dense(d, dtype=self.dtype, kernel_init=XAVIER, name=name)(x)
      return y.reshape(b, -1, self.heads, d // self.heads)

    split_up = split("query", query), split("key", key), split("value", value)
    if mask is not None:
      mask = mask[:, None, None] if mask.ndim == 2 else mask[:, None]
    if self.dropout and train:
      y = self._attend_dropping(*split_up, mask)
    else:
      y = attend(*split_up, mask)
    out = Dense(d, dtype=self.dtype, kernel_init=XAVIER, name="out")
    return out(y.reshape(b, q, d))

  def _attend_dropping(self, query, key, value, mask):
    """`attend` with dropout of the weights, keyed by example."""
    scores = jnp.einsum("bqmd,blmd->bmql", query, key)
    scores = scores.astype(jnp.float32) / query.shape[-1] ** 0.5
    if mask is not None:
      scores = jnp.where(mask, scores, jnp.finfo(scores.dtype).min)
    weights = jax.nn.softmax(scores, -1)
    weights = Dropout(self.dropout)(weights, train=True)
    return jnp.einsum("bmql,blmd->bqmd", weights.astype(self.dtype), value)


class EncoderLayer(nn.Module):
  """Self-attention and a two-layer MLP over the image's tokens.

  Attributes:
    heads: number of heads.
    hidden: features inside the MLP.
    dropout: after both and inside the MLP.
    attention_dropout: probability, for attention's weights.
    dtype: type to compute in; parameters are float32.
    activation: inside the MLP.
  """

  heads: int = 8
  hidden: int = 2048
  dropout: float = 0.1
  attention_dropout: float = 0.0
  dtype: DTypeLike = jnp.float32
  activation: Callable[[Array], Array] = jax.nn.relu

  @nn.compact
  def __call__(
    self, x: Array, positions: Array, mask: Array | None, train: bool
  ) -> Array:
    """Maps tokens x (b, l, d) to the same shape; `mask` (b, l)."""
    drop, attention, norm = parts(self)
    key = x + positions
    y = attention("self_attention")(key, key, x, mask=mask, train=train)
    x = norm("norm1")(x + drop(y, train))
    return norm("norm2")(x + feed_forward(self, x, train))


class DecoderLayer(nn.Module):
  """Self-attention of queries, attention to the image, and an MLP.

  Attributes:
    heads, hidden, dropout, attention_dropout, dtype, activation: as for
      `EncoderLayer`.
    image_first: whether queries look at the image before they do at each other,
      as Mask2Former's; norm1 is of what comes first.
  """

  heads: int = 8
  hidden: int = 2048
  dropout: float = 0.1
  attention_dropout: float = 0.0
  dtype: DTypeLike = jnp.float32
  image_first: bool = False
  activation: Callable[[Array], Array] = jax.nn.relu

  @nn.compact
  def __call__(
    self,
    x: Array,
    query_positions: Array,
    memory: Array,
    memory_positions: Array,
    mask: Array | None,
    train: bool,
    seen: Array | None = None,
  ) -> Array:
    """Maps queries x (b, q, d) to the same shape; memory (b, l, d).

    `mask` (b, l), or (b, q, l), is False where nothing may attend to, and
    `seen` (b, q, q) where a query may not see another.
    """
    drop, attention, norm = parts(self)

    def each_other(x: Array) -> Array:
      key = x + query_positions
      return attention("self_attention")(key, key, x, mask=seen, train=train)

    def image(x: Array) -> Array:
      look = attention("cross_attention")
      key = memory + memory_positions
      return look(x + query_positions, key, memory, mask=mask, train=train)

    steps = (image, each_other) if self.image_first else (each_other, image)
    for i, step in enumerate(steps, 1):
      x = norm(f"norm{i}")(x + drop(step(x), train))
    return norm("norm3")(x + feed_forward(self, x, train))


class MLP(nn.Module):
  """Dense layers with rectifiers between them: DETR's head for boxes.

  Attributes:
    features: width of each layer's result.
    zero_last: whether the last layer's kernel starts at zero.
    dtype: type to compute in; parameters are float32.
    last_bias: how the last layer's bias starts.
  """

  features: tuple[int, ...]
  zero_last: bool = False
  dtype: DTypeLike = jnp.float32
  last_bias: nn.initializers.Initializer = nn.initializers.zeros

  @nn.compact
  def __call__(self, x: Array) -> Array:
    """Maps x (..., d) to (..., features[-1])."""
    zeros = nn.initializers.zeros
    for i, features in enumerate(self.features, 1):
      last = i == len(self.features)
      x = Dense(
        features,
        dtype=self.dtype,
        kernel_init=zeros if last and self.zero_last else XAVIER,
        bias_init=self.last_bias if last else zeros,
        name=f"dense{i}",
      )(x)
      x = x if last else jax.nn.relu(x)
    return x


def layer_norm(name: str, dtype: DTypeLike = jnp.float32) -> LayerNorm:
  """Returns a LayerNorm with torch's epsilon."""
  return LayerNorm(epsilon=1e-5, dtype=dtype, name=name)


def parts(layer: EncoderLayer | DecoderLayer) -> tuple[Any, Any, Any]:
  """Returns dropout, attention and norm with a layer's settings.

  They are functions of (y, train), of a name, and of a name.
  """
  drop = lambda y, train: Dropout(layer.dropout)(y, train=train)
  attention = lambda name: Attention(
    layer.heads, layer.attention_dropout, layer.dtype, name=name
  )
  return drop, attention, lambda name: layer_norm(name, layer.dtype)


def feed_forward(
  layer: EncoderLayer | DecoderLayer, x: Array, train: bool
) -> Array:
  """Dense, activation, Dense, with dropout after each."""
  drop = parts(layer)[0]
  dense = lambda features, name: Dense(
    features, dtype=layer.dtype, kernel_init=XAVIER, name=name
  )
  y = layer.activation(dense(layer.hidden, "dense1")(x))
  return drop(dense(x.shape[-1], "dense2")(drop(y, train)), train)
