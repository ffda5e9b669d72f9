"""DETR: detection as the prediction of a set, with learned or anchored queries.

Carion et al., 2020, https://arxiv.org/abs/2005.12872.
"""

import functools
from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from vision_jax.core.shapes import check_shape
from vision_jax.core.types import Array
from vision_jax.errors import UserError
from vision_jax.layers.conv import Conv
from vision_jax.layers.dense import Dense
from vision_jax.layers.detr import (
  DecoderLayer,
  EncoderLayer,
  Perceptron,
  layer_norm,
)
from vision_jax.layers.detr_positions import (
  anchor_boxes,
  resize_mask,
  shift_boxes,
  sine_of_points,
  sine_positions,
)
from vision_jax.layers.remat import remat
from vision_jax.models.backbones import resnet

_PRIOR = 0.01  # initial probability of a class, where there is no background
_BACKBONES = {
  "R18": resnet.ResNet18,
  "R34": resnet.ResNet34,
  "R50": resnet.ResNet50,
  "R101": resnet.ResNet101,
  "tiny": functools.partial(resnet.ResNet18, stages=(1, 1, 1, 1), width=8),
}


class Detr(nn.Module):
  """A backbone, a transformer, and heads for class and box of each query.

  queries="learned" is the paper's: a query is a learned position, and all of
  its box comes from the decoder. It takes hundreds of epochs, and on hundreds
  of images it does not learn at all. queries="encoder" starts each from one of
  the image's tokens: every token predicts a class and a box around itself, the
  best become the queries' contents and first boxes, and each decoder layer
  looks from the box so far and corrects it (two-stage and iterative refinement
  of Deformable DETR, https://arxiv.org/abs/2010.04159, with positions of boxes
  as in DAB-DETR, https://arxiv.org/abs/2201.12329).

  Attributes:
    num_classes: k.
    backbone: a ResNet, called with features=True.
    levels: the backbone's maps whose pixels are the tokens.
    num_queries: q.
    queries: "learned" or "encoder".
    features: d of the transformer.
    heads, hidden, dropout, attention_dropout: of its layers.
    encoder_layers, decoder_layers: how many.
    background: whether the logits have a last class "no object", for a softmax;
      without it each class is a sigmoid of its own.
    remat: what the transformer's layers compute again in the backward pass, see
      `layers.remat`; the backbone has its own.
    dtype: to compute in; parameters and the heads are float32.
  """

  num_classes: int
  backbone: nn.Module
  levels: Sequence[str] = ("c5",)
  num_queries: int = 100
  queries: str = "learned"
  features: int = 256
  heads: int = 8
  hidden: int = 2048
  dropout: float = 0.1
  attention_dropout: float = 0.0
  encoder_layers: int = 6
  decoder_layers: int = 6
  background: bool = True
  remat: str = "none"
  dtype: Any = jnp.float32

  def setup(self):
    if self.queries not in ("learned", "encoder"):
      raise UserError(
        f"Detr: got queries={self.queries!r}; expected 'learned' or 'encoder'."
      )
    project = functools.partial(
      Conv, self.features, kernel=1, use_bias=True, dtype=self.dtype
    )
    self.projections = [
      project(name=f"projection_{level}") for level in self.levels
    ]
    options = {
      "heads": self.heads,
      "hidden": self.hidden,
      "dropout": self.dropout,
      "attention_dropout": self.attention_dropout,
      "dtype": self.dtype,
    }
    encoder = remat(EncoderLayer, self.remat, static=(4,))
    decoder = remat(DecoderLayer, self.remat, static=(6,))
    self.encoder = [
      encoder(**options, name=f"encoder{i + 1}")
      for i in range(self.encoder_layers)
    ]
    self.decoder = [
      decoder(**options, name=f"decoder{i + 1}")
      for i in range(self.decoder_layers)
    ]
    self.decoder_norm = layer_norm("decoder_norm", self.dtype)
    anchored = self.queries == "encoder"
    self.class_head = self._class_head("class_head")
    self.box_head = self._box_head("box_head", zero_last=anchored)
    normal = nn.initializers.normal(1.0)
    if len(self.levels) > 1:
      shape = (len(self.levels), self.features)
      self.level_table = self.param(
        "level_positions", normal, shape, jnp.float32
      )
    if anchored:
      self.token_dense = Dense(
        self.features, dtype=self.dtype, name="token_dense"
      )
      self.token_norm = layer_norm("token_norm", self.dtype)
      self.token_class_head = self._class_head("token_class_head")
      self.token_box_head = self._box_head("token_box_head", zero_last=True)
      self.position_head = Perceptron(
        (self.features, self.features), dtype=self.dtype, name="position_head"
      )
    else:
      shape = (self.num_queries, self.features)
      self.query_table = self.param(
        "query_positions", normal, shape, jnp.float32
      )

  def __call__(
    self,
    x: Array,
    *,
    train: bool,
    mask: Array | None = None,
    image_mask: Array | None = None,
  ) -> dict[str, Array]:
    """Maps images x (b, h, w, c) to each decoder layer's logits and boxes.

    Args:
      x: images.
      train: whether there is dropout.
      mask: (b,), which examples count in BatchNorm.
      image_mask: (b, h, w), 0 where the image is padding; None for no padding.

    Returns:
      `logits` (i, b, q, k + 1), or k without background, and `boxes`
      (i, b, q, 4) cxcywh in [0, 1] of the image without its padding, for each
      decoder layer, the last one last; with queries="encoder" also
      `token_logits` (b, l, ...) and `token_boxes` (b, l, 4).
    """
    b, h, w, _ = check_shape("image", x, "b h w c")
    maps = self.backbone(x, train=train, mask=mask, features=True)
    if image_mask is None:
      image_mask, padded = jnp.ones((b, h, w), jnp.float32), False
    else:
      check_shape("image_mask", image_mask, f"{b} {h} {w}")
      padded = True
    tokens, positions, points, real = self._tokens(maps, image_mask)
    real_or_none = real if padded else None
    for layer in self.encoder:
      tokens = layer(tokens, positions, real_or_none, train)
    decode = self._anchored if self.queries == "encoder" else self._learned
    return decode(tokens, positions, points, real, real_or_none, train)

  def _tokens(self, maps, image_mask):
    """Flattens the levels: tokens, positions (b, l, d), points (b, l, 4)."""
    parts = []
    for i, (level, project) in enumerate(
      zip(self.levels, self.projections, strict=True)
    ):
      if level not in maps:
        raise UserError(
          f"Detr: the backbone has no level {level!r}; it has {sorted(maps)}."
        )
      y = project(maps[level])
      real = resize_mask(image_mask, y.shape[1:3])
      positions = sine_positions(real, self.features)
      if len(self.levels) > 1:
        positions += self.level_table[i]
      anchors = anchor_boxes(real)
      flat = lambda a: a.reshape(a.shape[0], -1, *a.shape[3:])
      parts.append([flat(a) for a in (y, positions, anchors, real)])
    tokens, positions, anchors, real = (
      jnp.concatenate(p, 1) for p in zip(*parts, strict=True)
    )
    return tokens, positions.astype(self.dtype), anchors, real > 0

  def _learned(self, memory, positions, _anchors, _real, mask, train):
    """The paper's decoder."""
    b, d = memory.shape[0], self.features
    query = jnp.broadcast_to(self.query_table, (b, self.num_queries, d))
    x, states = jnp.zeros_like(query, self.dtype), []
    for layer in self.decoder:
      x = layer(x, query, memory, positions, mask, train)
      states.append(self.decoder_norm(x))
    states = jnp.stack(states)
    boxes = jax.nn.sigmoid(self.box_head(states))
    logits = self.class_head(states)
    return {"logits": logits, "boxes": boxes}

  def _anchored(self, memory, positions, anchors, real, mask, train):
    """The decoder whose queries are the most promising tokens."""
    tokens = self.token_norm(self.token_dense(memory))
    token_logits = self.token_class_head(tokens)
    token_boxes = shift_boxes(self.token_box_head(tokens), anchors)
    score = jnp.where(real, self._promise(token_logits), -jnp.inf)
    _, best = jax.lax.top_k(score, min(self.num_queries, score.shape[1]))
    pick = lambda y: jnp.take_along_axis(y, best[..., None], 1)
    x, box = pick(tokens), jax.lax.stop_gradient(pick(token_boxes))
    logits, boxes = [], []
    for layer in self.decoder:
      query = self.position_head(self._box_positions(box))
      x = layer(x, query, memory, positions, mask, train)
      state = self.decoder_norm(x)
      new = shift_boxes(self.box_head(state), box)
      logits.append(self.class_head(state))
      boxes.append(new)
      box = jax.lax.stop_gradient(new)
    return {
      "logits": jnp.stack(logits),
      "boxes": jnp.stack(boxes),
      "token_logits": token_logits,
      "token_boxes": token_boxes,
    }

  def _promise(self, logits: Array) -> Array:
    """How likely a token (b, l, k) shows any object, as a logit."""
    if not self.background:
      return jnp.max(logits, -1)
    return jnp.max(logits[..., :-1], -1) - logits[..., -1]

  def _box_positions(self, boxes: Array) -> Array:
    """Sines of centre and of size, (b, q, 2d)."""
    half = lambda points: sine_of_points(points, self.features)
    both = jnp.concatenate([half(boxes[..., :2]), half(boxes[..., 2:])], -1)
    return both.astype(self.dtype)

  def _class_head(self, name: str) -> Dense:
    init = nn.initializers.zeros
    if not self.background:
      init = nn.initializers.constant(-jnp.log((1 - _PRIOR) / _PRIOR))
    return Dense(
      self.num_classes + self.background,
      bias_init=init,
      name=name,
    )

  def _box_head(self, name: str, zero_last: bool) -> Perceptron:
    d = self.features
    return Perceptron((d, d, 4), zero_last, name=name)


def variant(
  name: str,
  num_classes: int,
  *,
  frozen_norm: bool = True,
  remat: str = "none",
  dtype: Any = jnp.float32,
  **options: Any,
) -> Detr:
  """Returns a published form: "R18", "R34", "R50", "R101", also with "-DC5".

  Args:
    name: the backbone, "tiny" for tests; DC5 dilates its last stage, so that
      there are four times as many tokens.
    num_classes: k; the published weights for COCO have 91.
    frozen_norm: whether BatchNorm keeps the pretrained moments.
    remat: of the backbone's blocks and the transformer's layers.
    dtype: to compute in.
    **options: other fields of `Detr`.
  """
  backbone, dash, dilated = name.partition("-")
  if backbone not in _BACKBONES or (dash and dilated != "DC5"):
    raise UserError(
      f"DETR: got the variant {name!r}; expected one of {sorted(_BACKBONES)}, "
      "alone or followed by -DC5."
    )
  body = _BACKBONES[backbone](
    num_classes=0,
    frozen_norm=frozen_norm,
    dilated=bool(dash),
    remat=remat,
    dtype=dtype,
  )
  return Detr(num_classes, body, remat=remat, dtype=dtype, **options)
