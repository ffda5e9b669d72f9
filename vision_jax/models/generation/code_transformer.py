"""A transformer over the codes of an image, some of which are hidden."""

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.layers.dense import Dense
from vision_jax.layers.norm import LayerNorm
from vision_jax.layers.remat import remat
from vision_jax.layers.transformer import Block

_START = nn.initializers.normal(0.02)


class CodeTransformer(nn.Module):
  """Predicts each code from all that are seen (MaskGIT, arXiv 2202.04200).

  Blocks that look both ways over a token a code and one of the class. Paths
  codes, label, positions, block0, ..., norm, out. Differs from the paper: norms
  come before the branches, and the output's table is its own.

  Attributes:
    size: number of codes, k; k itself stands for a hidden one.
    num_classes: of a class-conditional model, else 0. That label is no class.
    features: width of a token, d.
    depth: number of blocks.
    heads: attention heads.
    dropout: probability, in the branches.
    remat: what blocks compute again in the backward pass, see `layers.remat`.
    dtype: type to compute in; parameters and logits are float32.
  """

  size: int
  num_classes: int = 0
  features: int = 768
  depth: int = 24
  heads: int = 8
  dropout: float = 0.1
  remat: str = "none"
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(
    self,
    codes: Array,
    condition: Array | None = None,
    *,
    train: bool,
    mask: Array | None = None,
  ) -> Array:
    """Maps codes int (b, l), up to k, to logits (b, l, k) float32.

    Args:
      codes: k where they are hidden.
      condition: classes int (b,), num_classes for none, where None is none.
      train: whether dropout drops.
      mask: (b,), not needed: no example sees another.
    """
    del mask
    b, length = codes.shape
    x = self._embed(self.size + 1, "codes")(codes)
    if self.num_classes:
      if condition is None:
        condition = jnp.full(b, self.num_classes, jnp.int32)
      label = self._embed(self.num_classes + 1, "label")(condition)
      x = jnp.concatenate([label[:, None], x], 1)
    positions = self.param("positions", _START, x.shape[1:], jnp.float32)
    x = (x + positions).astype(self.dtype)
    block = remat(Block, self.remat, static=(2,))
    for i in range(self.depth):
      make = block(
        *(self.heads, 4 * self.features, self.dropout),
        dtype=self.dtype,
        name=f"block{i}",
      )
      x = make(x, train)
    x = LayerNorm(dtype=jnp.float32, name="norm")(x[:, -length:])
    return Dense(self.size, name="out")(x)

  def _embed(self, number: int, name: str) -> nn.Embed:
    return nn.Embed(number, self.features, embedding_init=_START, name=name)
