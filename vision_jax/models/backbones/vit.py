"""Vision transformers (Dosovitskiy et al., 2021, "An Image is Worth 16x16")."""

import re

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.errors import UserError
from vision_jax.layers.attention import Attention
from vision_jax.layers.broadcast import add, spread
from vision_jax.layers.conv import Conv
from vision_jax.layers.dense import Dense
from vision_jax.layers.embeddings import resize_positions, sincos2d
from vision_jax.layers.mlp import MlpBlock
from vision_jax.layers.norm import LayerNorm
from vision_jax.layers.pooling import MapHead
from vision_jax.layers.remat import remat
from vision_jax.layers.stochastic import Dropout, StochasticDepth
from vision_jax.ops.shapes import check_shape


class Block(nn.Module):
  """A pre-norm transformer block; paths norm1, attention, norm2, mlp.

  Attributes:
    heads: attention heads.
    hidden: features within the MLP.
    dropout: probability of zeroing a value of each branch.
    drop_path: probability of dropping each branch of an example.
    dtype: type to compute in.
  """

  heads: int
  hidden: int
  dropout: float
  drop_path: float
  dtype: DTypeLike

  @nn.compact
  def __call__(self, x: Array, train: bool) -> Array:
    """Maps tokens x (b, l, d) to the same shape."""
    norm = lambda name: LayerNorm(1e-6, self.dtype, name=name)
    path = lambda y: StochasticDepth(self.drop_path)(y, train=train)
    y = Attention(self.heads, self.dtype, name="attention")(norm("norm1")(x))
    x += path(Dropout(self.dropout)(y, train=train))
    mlp = MlpBlock(self.hidden, self.dropout, self.dtype, name="mlp")
    return x + path(mlp(norm("norm2")(x), train=train))


class ViT(nn.Module):
  """Vision transformer; fields of the published sizes come from `variant`.

  Paths: embedding, cls, positions, block0, ..., norm, map, pre_logits, head.

  Differs from the paper: the head's kernel starts at 0.

  Attributes:
    num_classes: k.
    patch: side of a patch in pixels.
    features: width of a token, d.
    depth: number of blocks.
    heads: attention heads.
    mlp_ratio: features within a block's MLP over d.
    head: what is classified: "cls" (a class token), "gap" (the tokens' mean)
      or "map" (attention pooling).
    positions: "learned", or "sincos2d" (fixed).
    pre_logits: whether the head has a hidden layer, of d features with tanh, as
      the paper's has in pre-training.
    grid: (h, w) in patches of the learned positions, which are interpolated to
      the image's; None for the image's own. Give it to use weights at another
      resolution than they were trained at.
    dropout: probability of zeroing a value, after the positions and at the end
      of each attention and MLP layer.
    drop_path: stochastic depth of the last block; it grows linearly from 0.
    remat: what blocks compute again in the backward pass, see `layers.remat`.
    dtype: type to compute in; parameters and the head are float32.
  """

  num_classes: int
  patch: int = 16
  features: int = 768
  depth: int = 12
  heads: int = 12
  mlp_ratio: int = 4
  head: str = "cls"
  positions: str = "learned"
  pre_logits: bool = False
  grid: tuple[int, int] | None = None
  dropout: float = 0.0
  drop_path: float = 0.0
  remat: str = "none"
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(
    self, x: Array, *, train: bool, mask: Array | None = None
  ) -> Array:
    """Maps images x (b, h, w, c) to logits (b, k) float32."""
    self._check(x)
    x = self._add_positions(self._embed(x))
    x = Dropout(self.dropout)(x, train=train)
    block = remat(Block, self.remat, static=(2,))
    for i in range(self.depth):
      x = block(
        self.heads,
        self.mlp_ratio * self.features,
        self.dropout,
        self.drop_path * i / max(self.depth - 1, 1),
        self.dtype,
        name=f"block{i}",
      )(x, train)
    x = self._pool(LayerNorm(1e-6, self.dtype, name="norm")(x))
    if self.pre_logits:
      x = jnp.tanh(Dense(self.features, name="pre_logits")(x))
    init = nn.initializers.zeros
    head = Dense(self.num_classes, kernel_init=init, name="head")
    return head(x)

  def _check(self, x: Array) -> None:
    _, h, w, _ = check_shape("image", x, "b h w c")
    if h % self.patch or w % self.patch:
      raise UserError(
        f"ViT: got images of {h} x {w} pixels; expected multiples of the "
        f"patch, {self.patch}; resize or crop them."
      )
    choices = {"head": ("cls", "gap", "map")}
    choices["positions"] = ("learned", "sincos2d")
    for name, expected in choices.items():
      if getattr(self, name) not in expected:
        raise UserError(
          f"ViT: got {name}={getattr(self, name)!r}; expected one of {expected}"
        )

  def _embed(self, x: Array) -> Array:
    """Maps images to a grid of tokens (b, h, w, d)."""
    embedding = Conv(
      self.features,
      self.patch,
      self.patch,
      padding=0,
      use_bias=True,
      dtype=self.dtype,
      kernel_init=nn.initializers.lecun_normal(),
      name="embedding",
    )
    return embedding(x)

  def _add_positions(self, x: Array) -> Array:
    """Maps a grid of tokens to a sequence (b, l, d), a class token first."""
    b, h, w, d = x.shape
    x, extra = x.reshape(b, h * w, d), int(self.head == "cls")
    if extra:
      cls = self.param("cls", nn.initializers.zeros, (1, 1, d), jnp.float32)
      cls = spread(cls, (b, 1, d), self.dtype)
      x = jnp.concatenate([cls, x], axis=1)
    if self.positions == "sincos2d":
      table = jnp.pad(sincos2d((h, w), d), ((extra, 0), (0, 0)))
    else:
      rows, columns = self.grid or (h, w)
      init = nn.initializers.normal(0.02)
      shape = (extra + rows * columns, d)
      table = self.param("positions", init, shape, jnp.float32)
      table = resize_positions(table, (rows, columns), (h, w), extra=extra)
    return add(x, table)

  def _pool(self, x: Array) -> Array:
    """Maps tokens (b, l, d) to what is classified (b, d), float32."""
    if self.head == "cls":
      return x[:, 0].astype(jnp.float32)
    if self.head == "gap":
      return jnp.mean(x, axis=1, dtype=jnp.float32)
    hidden = self.mlp_ratio * self.features
    pooled = MapHead(self.heads, hidden, self.dtype, name="map")(x)
    return pooled.astype(jnp.float32)


# Ti and S are of Touvron et al. (2021), B and L of the paper.
_SIZES = {
  "Ti": {"features": 192, "depth": 12, "heads": 3},
  "S": {"features": 384, "depth": 12, "heads": 6},
  "B": {"features": 768, "depth": 12, "heads": 12},
  "L": {"features": 1024, "depth": 24, "heads": 16},
}


def variant(name: str) -> dict[str, int]:
  """Returns the fields of "Ti", "S", "B" or "L" with a patch: "S/16".

  >>> ViT(1000, **variant("S/16"))

  Raises:
    UserError: for another name.
  """
  match = re.fullmatch(r"(\w+)/(\d+)", name)
  if not match or match[1] not in _SIZES or int(match[2]) == 0:
    raise UserError(
      f"variant: got {name!r}; expected one of {', '.join(_SIZES)}, a slash "
      "and the side of a patch in pixels, such as 'S/16'."
    )
  return {**_SIZES[match[1]], "patch": int(match[2])}
