"""The first half of a DETR: from images to what its queries look at."""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

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
    positions: (b, l, d), added to keys; None for none.
    anchors: (b, l, 4), a small box around each token.
    real: (b, l) bool, False where the image is padding.
    padded: whether there may be padding.
    sides: (h, w) of the maps whose pixels the tokens are.
  """

  tokens: Array
  positions: Array | None
  anchors: Array
  real: Array
  padded: bool
  sides: Sequence[tuple[int, int]]

  @property
  def mask(self) -> Array | None:
    """What attention may look at, (b, l); None for everything."""
    return self.real if self.padded else None


class DetrEncoder(nn.Module):
  """A backbone, a transformer's encoder, and the settings of a decoder.

  `Detr`, `TwoStageDetr` and `DeformableDecoder` add the decoder. Paths
  backbone, projection_c5, level_positions (of several levels), encoder1, ...,
  decoder1, ...

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
    memory = self.look(x, train, mask, image_mask)
    tokens = memory.tokens
    for layer in self.layers(EncoderLayer, "encoder", self.encoder_layers, 4):
      tokens = layer(tokens, memory.positions, memory.mask, train)
    return memory._replace(tokens=tokens)

  def look(
    self, x: Array, train: bool, mask: Array | None, image_mask: Array | None
  ) -> Memory:
    """Maps images x (b, h, w, c) to what the encoder's layers are given."""
    b, h, w, _ = check_shape("image", x, "b h w c")
    padded = image_mask is not None
    if padded:
      check_shape("image_mask", image_mask, f"{b} {h} {w}")
    check_levels(self.backbone, self.levels)
    maps = self.backbone(x, train=train, mask=mask, features=True)
    maps = self.project(maps, train, mask, image_mask)
    sides = tuple(y.shape[1:3] for y in maps)
    if not padded:
      image_mask = jnp.ones((b, h, w), jnp.float32)
    return Memory(*self._tokens(maps, image_mask), padded, sides)

  def decoder(self) -> list[Callable[..., Array]]:
    """Returns the decoder's layers."""
    return self.layers(DecoderLayer, "decoder", self.decoder_layers, 6)

  def layers(
    self,
    layer: type[nn.Module],
    name: str,
    count: int,
    train: int,
    **fields: Any,
  ) -> list[Callable[..., Array]]:
    """Returns transformer layers; `train` is that argument's place.

    `fields` are those that a layer has beyond `EncoderLayer`'s.
    """
    make = functools.partial(
      remat(layer, self.remat, static=(train,)),
      self.heads,
      self.hidden,
      self.dropout,
      self.attention_dropout,
      self.dtype,
      **fields,
    )
    return [make(name=f"{name}{i + 1}") for i in range(count)]

  def project(
    self,
    maps: Mapping[str, Array],
    train: bool,
    mask: Array | None,
    image_mask: Array | None,
  ) -> list[Array]:
    """Maps the backbone's maps to those of the tokens, (b, h, w, d) each."""
    del train, mask, image_mask
    project = functools.partial(
      Conv, self.features, kernel=1, use_bias=True, dtype=self.dtype
    )
    return [
      project(name=f"projection_{level}")(maps[level]) for level in self.levels
    ]

  def place(self, masks: Sequence[Array]) -> list[Array] | None:
    """Returns the positions of maps (b, h, w, d), of what is real of them.

    None for none.
    """
    places = [sine_positions(real, self.features) for real in masks]
    if len(masks) == 1:
      return places
    table = self.table("level_positions", len(masks))
    return [x + y for x, y in zip(places, table, strict=True)]

  def _tokens(self, maps, image_mask):
    """Flattens the levels: tokens, positions, anchors and what is real."""
    masks = [resize_mask(image_mask, y.shape[1:3]) for y in maps]
    flat = lambda a: a.reshape(a.shape[0], -1, *a.shape[3:])
    join = lambda parts: jnp.concatenate([flat(a) for a in parts], 1)
    positions = self.place(masks)
    if positions is not None:
      positions = join(positions).astype(self.dtype)
    anchors = join(anchor_boxes(real) for real in masks)
    return join(maps), positions, anchors, join(masks) > 0

  def table(self, name: str, rows: int) -> Array:
    """Returns a learned vector for each of some things, (rows, d)."""
    normal = nn.initializers.normal(1.0)
    return self.param(name, normal, (rows, self.features), jnp.float32)

  def class_head(
    self, name: str = "class_head", classes: int | None = None
  ) -> Dense:
    """Returns what maps states (..., d) to logits, of k classes or others."""
    init = nn.initializers.zeros
    if not self.background:
      init = nn.initializers.constant(-jnp.log((1 - _PRIOR) / _PRIOR))
    classes = self.num_classes if classes is None else classes
    return Dense(classes + self.background, bias_init=init, name=name)

  def box_head(
    self,
    name: str = "box_head",
    zero: bool = False,
    bias: nn.initializers.Initializer = nn.initializers.zeros,
  ) -> MLP:
    """Returns what maps states (..., d) to boxes' logits, or their shifts.

    With `zero` it begins with what its last bias begins with, no shift.
    """
    sizes = (self.features, self.features, 4)
    return MLP(sizes, zero, last_bias=bias, name=name)

  def promise(self, logits: Array) -> Array:
    """How likely a token (b, l, k) shows any object, as a logit."""
    if not self.background:
      return jnp.max(logits, -1)
    return jnp.max(logits[..., :-1], -1) - logits[..., -1]
