"""Pooling of tokens by attention."""

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.layers.attention import XAVIER, Attention
from vision_jax.layers.broadcast import spread
from vision_jax.layers.mlp import mlp
from vision_jax.layers.norm import LayerNorm


class MapHead(nn.Module):
  """Multi-head attention pooling: a learned probe asks, then an MLP.

  Zhai et al. (2022), "Scaling Vision Transformers", after the Set Transformer.

  Attributes:
    heads: attention heads.
    hidden: features within the MLP.
    dtype: type to compute in; parameters are float32.
    activation: of the MLP, see `layers.mlp`.
    epsilon: added to the norm's variance.
  """

  heads: int
  hidden: int
  dtype: DTypeLike = jnp.float32
  activation: str = "gelu"
  epsilon: float = 1e-6

  @nn.compact
  def __call__(self, x: Array) -> Array:
    """Maps tokens x (b, l, d) to one vector each, (b, d)."""
    b, _, d = x.shape
    probe = self.param("probe", XAVIER, (1, 1, d), jnp.float32)
    probe = spread(probe, (b, 1, d), self.dtype)
    x = Attention(self.heads, self.dtype, name="attention")(probe, x)
    y = LayerNorm(self.epsilon, self.dtype, name="norm")(x)
    block = mlp(self.activation, self.hidden, 0.0, self.dtype, "mlp")
    return (x + block(y, train=False))[:, 0]


class AttentionPooling(nn.Module):
  """Learned queries that attend to tokens, of any number and width.

  "Task-specific attentional pooling" (Yu et al., 2022, CoCa); paths queries,
  norm_tokens, attention, norm.

  Attributes:
    number: of queries, q.
    features: width of a query, d.
    heads: attention heads.
    dtype: type to compute in; parameters are float32.
  """

  number: int
  features: int
  heads: int
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(self, x: Array) -> Array:
    """Maps tokens x (b, l, c) to (b, q, d)."""
    shape = (1, self.number, self.features)
    init = nn.initializers.normal(0.02)
    queries = self.param("queries", init, shape, jnp.float32)
    queries = spread(queries, (len(x), *shape[1:]), self.dtype)
    norm = lambda name: LayerNorm(dtype=self.dtype, name=name)
    attention = Attention(self.heads, self.dtype, name="attention")
    return norm("norm")(attention(queries, norm("norm_tokens")(x)))
