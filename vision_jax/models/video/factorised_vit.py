"""A video vision transformer of two encoders: of space, and then of time.

Arnab et al. (2021), "ViViT: A Video Vision Transformer", model 2.
"""

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.errors import UserError
from vision_jax.layers.broadcast import add, spread
from vision_jax.layers.conv3d import Conv3D
from vision_jax.layers.dense import Dense
from vision_jax.layers.norm import LayerNorm
from vision_jax.layers.stochastic import Dropout
from vision_jax.layers.transformer import Block
from vision_jax.ops.shapes import check_shape


class FactorisedViT(nn.Module):
  """ViViT's factorised encoder; the defaults are those of B/16x2.

  A clip is cut into tubelets. The first encoder sees those of one time, with a
  class token; the second one the class tokens of all times, with one of its
  own, which is classified.

  Paths: embedding, spatial/cls, spatial/positions, spatial/block0, ...,
  spatial/norm, temporal/..., head.

  Differs from the paper: the head's kernel starts at 0, and the embedding's as
  any other.

  Attributes:
    num_classes: k.
    tubelet: frames of a tubelet.
    patch: its height and width in pixels.
    features: width of a token, d.
    depth: blocks of the first encoder.
    temporal_depth: blocks of the second one.
    heads: attention heads of both.
    mlp_ratio: features within a block's MLP over d.
    dropout: probability of zeroing a value, after positions and at the end of
      each attention and MLP layer.
    dtype: type to compute in; parameters and the head are float32.
  """

  num_classes: int
  tubelet: int = 2
  patch: int = 16
  features: int = 768
  depth: int = 12
  temporal_depth: int = 4
  heads: int = 12
  mlp_ratio: float = 4
  dropout: float = 0.0
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(
    self, x: Array, *, train: bool, mask: Array | None = None
  ) -> Array:
    """Maps clips x (b, t, h, w, c) to logits (b, k) float32.

    Raises:
      UserError: for clips that cannot be cut into whole tubelets.
    """
    b, t, h, w, _ = check_shape("clips", x, "b t h w c")
    size = (self.tubelet, self.patch, self.patch)
    if t % size[0] or h % size[1] or w % size[2]:
      raise UserError(
        f"FactorisedViT: got clips of {t} frames of {h} x {w} pixels; expected "
        f"multiples of a tubelet, {size[0]} frames of {size[1]} x {size[2]}. "
        "Take clips of another length, or resize the frames."
      )
    embedding = Conv3D(
      *(self.features, size, (size[0], size[1]), (0, 0, 0)),
      use_bias=True,
      dtype=self.dtype,
      kernel_init=nn.initializers.lecun_normal(),
      name="embedding",
    )
    x = embedding(x)
    times = x.shape[1]
    x = x.reshape(b * times, -1, self.features)
    x = self._encoder(self.depth, "spatial")(x, train)
    x = x.reshape(b, times, self.features)
    x = self._encoder(self.temporal_depth, "temporal")(x, train)
    head = Dense(
      self.num_classes, kernel_init=nn.initializers.zeros, name="head"
    )
    return head(x.astype(jnp.float32))

  def _encoder(self, depth: int, name: str) -> "Encoder":
    hidden = round(self.mlp_ratio * self.features)
    return Encoder(
      depth, self.heads, hidden, self.dropout, self.dtype, name=name
    )


class Encoder(nn.Module):
  """Blocks over tokens with learned positions and a class token.

  Attributes:
    depth: number of blocks.
    heads: attention heads.
    hidden: features within a block's MLP.
    dropout: as of `FactorisedViT`.
    dtype: type to compute in.
  """

  depth: int
  heads: int
  hidden: int
  dropout: float = 0.0
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(self, x: Array, train: bool) -> Array:
    """Maps tokens x (b, l, d) to what their class token has become, (b, d)."""
    b, tokens, d = x.shape
    zeros, normal = nn.initializers.zeros, nn.initializers.normal(0.02)
    cls = self.param("cls", zeros, (1, 1, d), jnp.float32)
    x = jnp.concatenate([spread(cls, (b, 1, d), self.dtype), x], axis=1)
    shape = (tokens + 1, d)
    x = add(x, self.param("positions", normal, shape, jnp.float32))
    x = Dropout(self.dropout)(x, train=train)
    for i in range(self.depth):
      x = Block(
        *(self.heads, self.hidden, self.dropout),
        dtype=self.dtype,
        name=f"block{i}",
      )(x, train)
    return LayerNorm(dtype=self.dtype, name="norm")(x)[:, 0]
