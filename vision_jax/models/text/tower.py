"""Text transformers of nets that compare images with text."""

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.errors import UserError
from vision_jax.layers.broadcast import add
from vision_jax.layers.norm import LayerNorm
from vision_jax.layers.transformer import Block


class TextTower(nn.Module):
  """CLIP's text transformer (Radford et al., 2021), and SigLIP's.

  Paths: tokens, positions, block0, ..., norm.

  Attributes:
    vocabulary: number of tokens.
    length: tokens of a text, at most; learned positions.
    features: width of a token, d.
    depth: number of blocks.
    heads: attention heads.
    mlp_ratio: features within a block's MLP over d.
    mlp: its kind, see `layers.mlp`.
    epsilon: added to each norm's variance.
    causal: whether a token attends to those before it alone.
    pooled: which token stands for a text: "end" (the first whose number is
      `end`) or "last"; "none" gives all of them.
    end: number of the token that ends a text; None for the largest of a text.
    std: standard deviation of tokens and positions as they begin. Of CLIP's a
      first block hides which token is which, which it then learns slowly.
    dtype: type to compute in; parameters are float32.
  """

  vocabulary: int = 49_408
  length: int = 77
  features: int = 512
  depth: int = 12
  heads: int = 8
  mlp_ratio: float = 4
  mlp: str = "gelu_sigmoid"
  epsilon: float = 1e-5
  causal: bool = True
  pooled: str = "end"
  end: int | None = None
  std: float = 0.02
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(self, tokens: Array, *, train: bool) -> Array:
    """Maps numbers of tokens (b, l) to a vector of each text (b, d), float32.

    Or to one of each token (b, l, d), where none is pooled.

    Raises:
      UserError: for a text that is longer than `length`.
    """
    _, number = tokens.shape
    if number > self.length:
      raise UserError(
        f"TextTower: got texts of {number} tokens; expected {self.length} at "
        "most."
      )
    init, d = nn.initializers.normal(self.std), self.features
    table = self.param("tokens", init, (self.vocabulary, d), jnp.float32)
    shape = (self.length, d)
    positions = self.param("positions", init, shape, jnp.float32)
    x = add(table[tokens].astype(self.dtype), positions[:number])
    mask = jnp.tri(number, dtype=bool)[None, None] if self.causal else None
    for i in range(self.depth):
      x = Block(
        heads=self.heads,
        hidden=round(self.mlp_ratio * d),
        dtype=self.dtype,
        mlp=self.mlp,
        epsilon=self.epsilon,
        name=f"block{i}",
      )(x, train, mask)
    x = LayerNorm(self.epsilon, self.dtype, name="norm")(x)
    return self._pool(x, tokens).astype(jnp.float32)

  def _pool(self, x: Array, tokens: Array) -> Array:
    if self.pooled == "none":
      return x
    if self.pooled == "last":
      return x[:, -1]
    ends = tokens if self.end is None else tokens == self.end
    at = jnp.argmax(ends, axis=1)
    return jnp.take_along_axis(x, at[:, None, None], axis=1)[:, 0]
