"""Vision transformers (Dosovitskiy et al., 2021, "An Image is Worth 16x16")."""

import re
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.errors import UserError
from vision_jax.layers.broadcast import add, spread
from vision_jax.layers.conv import Conv
from vision_jax.layers.dense import Dense
from vision_jax.layers.embeddings import resize_positions, sincos2d
from vision_jax.layers.norm import LayerNorm
from vision_jax.layers.pooling import MapHead
from vision_jax.layers.remat import remat
from vision_jax.layers.splits import Splits
from vision_jax.layers.stochastic import Dropout
from vision_jax.layers.transformer import Block, block_splits
from vision_jax.ops.shapes import check_shape

# Tokens before the patches, by what is classified.
TOKENS = {
  "cls": ("cls",),
  "cls_gap": ("cls",),
  "distilled": ("cls", "distillation"),
  "gap": (),
  "map": (),
  "tokens": (),
}


class ViT(nn.Module):
  """Vision transformer; fields of the published sizes come from `variant`.

  DeiT, DINOv2's nets, MAE's encoder and CLIP's and SigLIP's image towers are
  this net, by its fields.

  Paths: embedding, cls, distillation, registers, positions, pre_norm, block0,
  ..., norm, map, pre_logits, head, head_distillation.

  Differs from the paper: the head's kernel starts at 0.

  Attributes:
    num_classes: k; 0 for no head, and features (b, d) in the logits' place.
    patch: side of a patch in pixels.
    features: width of a token, d.
    depth: number of blocks.
    heads: attention heads.
    mlp_ratio: features within a block's MLP over d.
    head: what is classified: "cls" (a class token), "gap" (the patches' mean),
      "map" (attention pooling), "cls_gap" (class token and mean, as DINOv2's
      linear classifiers) or "distilled" (DeiT: a class and a distillation
      token, each with a head, of which the logits are the mean); "tokens"
      classifies nothing, and gives all tokens (b, l, d) in the logits' place.
    positions: "learned", or "sincos2d" (fixed).
    pre_logits: whether the head has a hidden layer, of d features with tanh, as
      the paper's has in pre-training.
    registers: tokens that are read by nothing but attention, after the class
      token (Darcet et al., 2024).
    class_position: whether tokens before the patches have positions.
    embedding_bias: whether the patches' embedding has a bias.
    pre_norm: whether tokens are normalised before the first block, as CLIP's.
    mlp: kind of the blocks' MLP, see `layers.mlp`; of "swiglu" two thirds of
      the features within, rounded up to a multiple of 8.
    layer_scale: initial factor of blocks' branches; 0 for none.
    epsilon: added to each norm's variance.
    interpolation: of the positions to another grid, see `resize_positions`.
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
  mlp_ratio: float = 4
  head: str = "cls"
  positions: str = "learned"
  pre_logits: bool = False
  registers: int = 0
  class_position: bool = True
  embedding_bias: bool = True
  pre_norm: bool = False
  mlp: str = "gelu"
  layer_scale: float = 0.0
  epsilon: float = 1e-6
  interpolation: str = "linear"
  grid: tuple[int, int] | None = None
  dropout: float = 0.0
  drop_path: float = 0.0
  remat: str = "none"
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(
    self,
    x: Array,
    *,
    train: bool,
    mask: Array | None = None,
    keep: Array | None = None,
  ) -> Array:
    """Maps images x (b, h, w, c) to logits (b, k) float32.

    With the numbers of some patches, keep (b, n), no other is seen, and tokens
    come in place of logits, (b, n, d) after those that are no patches.
    """
    self._check(x)
    x = self._add_positions(self._embed(x))
    if keep is not None:
      x = self._kept(x, keep)
    x = Dropout(self.dropout)(x, train=train)
    norm = lambda name: LayerNorm(self.epsilon, self.dtype, name=name)
    if self.pre_norm:
      x = norm("pre_norm")(x)
    block = remat(Block, self.remat, static=(2,))
    for i in range(self.depth):
      x = block(
        heads=self.heads,
        hidden=self._hidden(),
        dropout=self.dropout,
        drop_path=self.drop_path * i / max(self.depth - 1, 1),
        dtype=self.dtype,
        mlp=self.mlp,
        epsilon=self.epsilon,
        layer_scale=self.layer_scale,
        name=f"block{i}",
      )(x, train)
    x = norm("norm")(x)
    whole = keep is None and self.head != "tokens"
    return self._classify(x) if whole else x

  @nn.nowrap
  def splits(self) -> Splits:
    """Returns how tensor parallelism splits it: its blocks alone."""
    return block_splits(self.heads, self._hidden())

  def _kept(self, x: Array, keep: Array) -> Array:
    extra = len(TOKENS[self.head]) + self.registers
    patches = jnp.take_along_axis(x[:, extra:], keep[..., None], axis=1)
    return jnp.concatenate([x[:, :extra], patches], axis=1)

  def _hidden(self) -> int:
    hidden = round(self.mlp_ratio * self.features)
    return -(-(2 * hidden // 3) // 8) * 8 if self.mlp == "swiglu" else hidden

  def _check(self, x: Array) -> None:
    _, h, w, _ = check_shape("image", x, "b h w c")
    if h % self.patch or w % self.patch:
      raise UserError(
        f"ViT: got images of {h} x {w} pixels; expected multiples of the "
        f"patch, {self.patch}; resize or crop them."
      )
    choices = {"head": tuple(TOKENS)}
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
      use_bias=self.embedding_bias,
      dtype=self.dtype,
      kernel_init=nn.initializers.lecun_normal(),
      name="embedding",
    )
    return embedding(x)

  def _add_positions(self, x: Array) -> Array:
    """Maps a grid of tokens to a sequence (b, l, d), other tokens first."""
    b, h, w, d = x.shape
    tokens = [self._token(name, (b, 1, d)) for name in TOKENS[self.head]]
    first = tokens if self.class_position else []
    x = jnp.concatenate([*first, x.reshape(b, h * w, d)], axis=1)
    x = add(x, self._positions((h, w), d, len(first)))
    if len(first) < len(tokens):
      x = jnp.concatenate([*tokens, x], axis=1)
    if self.registers:
      more = self._token("registers", (b, self.registers, d))
      at = len(tokens)
      x = jnp.concatenate([x[:, :at], more, x[:, at:]], axis=1)
    return x

  def _token(self, name: str, shape: tuple[int, int, int]) -> Array:
    """Returns learned tokens (b, l, d), the same for each example."""
    token = self.param(
      name, nn.initializers.zeros, (1, *shape[1:]), jnp.float32
    )
    return spread(token, shape, self.dtype)

  def _positions(self, size: tuple[int, int], d: int, extra: int) -> Array:
    """Returns the table (extra + h * w, d) of a grid and tokens before it."""
    if self.positions == "sincos2d":
      return jnp.pad(sincos2d(size, d), ((extra, 0), (0, 0)))
    rows, columns = self.grid or size
    init = nn.initializers.normal(0.02)
    shape = (extra + rows * columns, d)
    table = self.param("positions", init, shape, jnp.float32)
    return resize_positions(
      table, (rows, columns), size, extra=extra, method=self.interpolation
    )

  def _classify(self, x: Array) -> Array:
    """Maps tokens (b, l, d) to logits (b, k), or features, float32."""
    pooled = self._pool(x)
    if self.pre_logits:
      pooled = jnp.tanh(Dense(self.features, name="pre_logits")(pooled))
    if not self.num_classes:
      return pooled
    init = nn.initializers.zeros
    head = lambda name: Dense(self.num_classes, kernel_init=init, name=name)
    y = head("head")(pooled)
    if self.head == "distilled":
      y = (y + head("head_distillation")(x[:, 1].astype(jnp.float32))) / 2
    return y

  def _pool(self, x: Array) -> Array:
    """Maps tokens (b, l, d) to what is classified (b, d), float32."""
    if self.head == "map":
      hidden = round(self.mlp_ratio * self.features)
      return MapHead(
        self.heads, hidden, self.dtype, self.mlp, self.epsilon, name="map"
      )(x).astype(jnp.float32)
    found = []
    if TOKENS[self.head]:
      found.append(x[:, 0].astype(jnp.float32))
    if "gap" in self.head:
      patches = x[:, len(TOKENS[self.head]) + self.registers :]
      found.append(jnp.mean(patches, axis=1, dtype=jnp.float32))
    return jnp.concatenate(found, axis=-1)


# Ti and S are of Touvron et al. (2021), B, L and H of the paper, g of DINOv2.
_SIZES = {
  "Ti": {"features": 192, "depth": 12, "heads": 3},
  "S": {"features": 384, "depth": 12, "heads": 6},
  "B": {"features": 768, "depth": 12, "heads": 12},
  "L": {"features": 1024, "depth": 24, "heads": 16},
  "H": {"features": 1280, "depth": 32, "heads": 16},
  "g": {"features": 1536, "depth": 40, "heads": 24},
}


def variant(name: str) -> dict[str, int]:
  """Returns the fields of "Ti", "S", "B", ... with a patch: "S/16".

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


def dinov2(size: str, registers: int = 0) -> dict[str, Any]:
  """Returns the fields of DINOv2's nets (Oquab et al., 2024): features, (b, d).

  >>> ViT(**dinov2("S"))

  Args:
    size: "S", "B", "L" or "g".
    registers: 0, or 4 (Darcet et al., 2024).

  Raises:
    UserError: for another size.
  """
  return {
    **variant(f"{size}/14"),
    "num_classes": 0,
    "grid": (37, 37),  # of 518 pixels
    "interpolation": "cubic" if registers else "cubic_aliased",
    "layer_scale": 1.0,
    "mlp": "swiglu" if size == "g" else "gelu",
    "registers": registers,
  }
