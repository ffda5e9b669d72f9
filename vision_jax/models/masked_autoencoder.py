"""Masked autoencoders (He et al., 2022): a ViT that sees a part of an image."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from vision_jax.core.types import Array
from vision_jax.layers.broadcast import add, spread
from vision_jax.layers.dense import Dense
from vision_jax.layers.embeddings import sincos2d
from vision_jax.layers.norm import LayerNorm
from vision_jax.layers.transformer import Block
from vision_jax.models.backbones.vit import ViT


class MaskedAutoencoder(nn.Module):
  """An encoder of the patches that are seen, a small decoder of all of them.

  Paths encoder, embedding, mask_token, block0, ..., norm, pixels. Without the
  decoder, which training alone needs, the encoder's weights are a ViT's.

  Attributes:
    encoder: without a head (num_classes=0).
    features: width of the decoder's tokens.
    depth: its blocks.
    heads: its attention heads.
  """

  encoder: ViT
  features: int = 512
  depth: int = 8
  heads: int = 16

  @nn.compact
  def __call__(
    self,
    x: Array,
    keep: Array | None = None,
    *,
    train: bool,
    mask: Array | None = None,
  ) -> dict[str, Array]:
    """Maps images x (b, h, w, c) to the encoder's `features` (b, f).

    With the numbers of the patches that are seen, keep (b, n), to `pixels` (b,
    l, patch * patch * c) of all in the features' place, float32.
    """
    if keep is None:
      return {"features": self.encoder(x, train=train)}
    tokens = self.encoder(x, train=train, keep=keep)
    return {"pixels": self._decoded(x.shape, tokens, keep, train)}

  def _decoded(
    self, shape: tuple[int, ...], tokens: Array, keep: Array, train: bool
  ) -> Array:
    b, h, w, c = shape
    side, dtype = self.encoder.patch, self.encoder.dtype
    grid, d = (h // side, w // side), self.features
    seen = Dense(d, dtype=dtype, name="embedding")(tokens)
    extra = seen.shape[1] - keep.shape[1]
    init = nn.initializers.normal(0.02)
    token = self.param("mask_token", init, (1, 1, d), jnp.float32)
    whole = spread(token, (b, grid[0] * grid[1], d), dtype)
    place = jax.vmap(lambda row, at, found: row.at[at].set(found))
    whole = add(place(whole, keep, seen[:, extra:]), sincos2d(grid, d))
    x = jnp.concatenate([seen[:, :extra], whole], axis=1)
    for i in range(self.depth):
      x = Block(self.heads, 4 * d, dtype=dtype, name=f"block{i}")(x, train)
    x = LayerNorm(dtype=dtype, name="norm")(x)[:, extra:]
    return Dense(side * side * c, name="pixels")(x.astype(jnp.float32))
