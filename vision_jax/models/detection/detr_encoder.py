"""The first half of a DETR: from images to what its queries look at."""

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.layers.conv import Conv
from vision_jax.layers.dense import Dense
from vision_jax.layers.remat import remat
from vision_jax.models.backbones.backbone import Backbone
from vision_jax.models.detection.detr_layers import (
  MLP,
  DecoderLayer,
  EncoderLayer,
)
from vision_jax.models.detection.detr_positions import (
  anchor_boxes,
  resize_mask,
  sine_positions,
)
from vision_jax.models.detection.fpn import check_levels
from vision_jax.ops.shapes import check_shape

_PRIOR = 0.01  # initial probability of a class, where there is no background


class Memory(NamedTuple):
  """Tokens of the image after the encoder, l of them.

  Attributes:
    tokens: (b, l, d).
    positions: (b, l, d), added to keys.
    anchors: (b, l, 4), a small box around each token.
    real: (b, l) bool, False where the image is padding.
    padded: whether there may be padding.
  """

  tokens: Array
  positions: Array
  anchors: Array
  real: Array
  padded: bool

  @property
  def mask(self) -> Array | None:
    """What attention may look at, (b, l); None for everything."""
    return self.real if self.padded else None


class DetrEncoder(nn.Module):
  """A backbone, a transformer's encoder, and the settings of a decoder.

  `Detr` and `TwoStageDetr` add the decoder. Paths backbone, projection_c5,
  level_positions (of several levels), encoder1, ..., decoder1, ...

  Attributes:
    num_classes: k.
    backbone: net that gives the image's feature maps.
    levels: the backbone's maps whose pixels are the tokens.
    num_queries: q, the most boxes that it may find.
    features: d of the transformer.
    heads, hidden, dropout, attention_dropout: see `EncoderLayer`.
    encoder_layers, decoder_layers: how many.
    background: whether the logits have a last class "no object", for a softmax;
      without it each class is a sigmoid of its own.
    remat: what the transformer's layers compute again in the backward pass, see
      `layers.remat`; the backbone has its own.
    dtype: type to compute in; parameters and the heads are float32.
  """

  num_classes: int
  backbone: Backbone
  levels: Sequence[str] = ("c5",)
  num_queries: int = 100
  features: int = 256
  heads: int = 8
  hidden: int = 2048
  dropout: float = 0.1
  attention_dropout: float = 0.0
  encoder_layers: int = 6
  decoder_layers: int = 6
  background: bool = True
  remat: str = "none"
  dtype: DTypeLike = jnp.float32

  def encode(
    self, x: Array, train: bool, mask: Array | None, image_mask: Array | None
  ) -> Memory:
    """Maps images x (b, h, w, c) to tokens, in a compact `__call__`."""
    b, h, w, _ = check_shape("image", x, "b h w c")
    padded = image_mask is not None
    if padded:
      check_shape("image_mask", image_mask, f"{b} {h} {w}")
    else:
      image_mask = jnp.ones((b, h, w), jnp.float32)
    check_levels(self.backbone, self.levels)
    maps = self.backbone(x, train=train, mask=mask, features=True)
    tokens, *rest = self._tokens(maps, image_mask)
    memory = Memory(tokens, *rest, padded)
    for layer in self.layers(EncoderLayer, "encoder", self.encoder_layers, 4):
      tokens = layer(tokens, memory.positions, memory.mask, train)
    return memory._replace(tokens=tokens)

  def decoder(self) -> list[Callable[..., Array]]:
    """Returns the decoder's layers."""
    return self.layers(DecoderLayer, "decoder", self.decoder_layers, 6)

  def layers(
    self, layer: type[nn.Module], name: str, count: int, train: int
  ) -> list[Callable[..., Array]]:
    """Returns transformer layers; `train` is that argument's place."""
    make = functools.partial(
      remat(layer, self.remat, static=(train,)),
      self.heads,
      self.hidden,
      self.dropout,
      self.attention_dropout,
      self.dtype,
    )
    return [make(name=f"{name}{i + 1}") for i in range(count)]

  def _tokens(self, maps, image_mask):
    """Flattens the levels: tokens, positions, anchors and what is real."""
    project = functools.partial(
      Conv, self.features, kernel=1, use_bias=True, dtype=self.dtype
    )
    several, parts = len(self.levels) > 1, []
    if several:
      places = self.table("level_positions", len(self.levels))
    for i, level in enumerate(self.levels):
      y = project(name=f"projection_{level}")(maps[level])
      real = resize_mask(image_mask, y.shape[1:3])
      positions = sine_positions(real, self.features)
      if several:
        positions += places[i]
      flat = lambda a: a.reshape(a.shape[0], -1, *a.shape[3:])
      parts.append([flat(a) for a in (y, positions, anchor_boxes(real), real)])
    tokens, positions, anchors, real = (
      jnp.concatenate(p, 1) for p in zip(*parts, strict=True)
    )
    return tokens, positions.astype(self.dtype), anchors, real > 0

  def table(self, name: str, rows: int) -> Array:
    """Returns a learned vector for each of some things, (rows, d)."""
    normal = nn.initializers.normal(1.0)
    return self.param(name, normal, (rows, self.features), jnp.float32)

  def class_head(self, name: str = "class_head") -> Dense:
    """Returns what maps states (..., d) to logits."""
    init = nn.initializers.zeros
    if not self.background:
      init = nn.initializers.constant(-jnp.log((1 - _PRIOR) / _PRIOR))
    outputs = self.num_classes + self.background
    return Dense(outputs, bias_init=init, name=name)

  def box_head(self, name: str = "box_head", zero: bool = False) -> MLP:
    """Returns what maps states (..., d) to boxes' logits, or their shifts.

    With `zero` it begins with no shift.
    """
    return MLP((self.features, self.features, 4), zero, name=name)
