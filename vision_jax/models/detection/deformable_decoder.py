"""Queries that look at a few points of maps, and what tokens propose to them.

Zhu et al., 2021, https://arxiv.org/abs/2010.04159.
"""

from collections.abc import Callable, Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from vision_jax.core.types import Array
from vision_jax.layers.dense import Dense
from vision_jax.models.detection.deformable_layers import DeformableDecoderLayer
from vision_jax.models.detection.detr_encoder import DetrEncoder, Memory
from vision_jax.models.detection.detr_layers import layer_norm
from vision_jax.models.detection.detr_positions import shift_boxes

_EPSILON = 1e-5  # of `shift_boxes`
_EDGE = 0.01  # of the image, from which on a token proposes nothing
_SIZE = 0.05  # of the box that a token of the first map proposes


class DeformableDecoder(DetrEncoder):
  """The half that `DeformableDetr` and `RTDetr` have in common.

  Fields are those of `DetrEncoder`, and this. Paths, besides its: token_dense,
  token_norm, token_class_head, token_box_head.

  Attributes:
    points: that each head sees in each map.
  """

  levels: Sequence[str] = ("c3", "c4", "c5")
  num_queries: int = 300
  hidden: int = 1024
  background: bool = False
  points: int = 4

  def propose(
    self, memory: Memory, classes: int | None = None
  ) -> tuple[Array, Array, Array]:
    """Returns a content (b, l, d), logits (b, l, k) and a box of every token.

    Tokens at the edge, and of padding, see nothing, and their box is the whole
    image about its lower right corner: as the papers' code has it.

    Args:
      memory: what the encoder made of the image.
      classes: of the logits; None for all.
    """
    counts = [h * w for h, w in memory.sides]
    size = np.repeat(_SIZE * 2.0 ** np.arange(len(counts)), counts)
    size = jnp.asarray(size[None, :, None], jnp.float32)
    size = jnp.broadcast_to(size, (*memory.anchors.shape[:2], 2))
    anchors = jnp.concatenate([memory.anchors[..., :2], size], -1)
    inner = (anchors > _EDGE) & (anchors < 1 - _EDGE)
    inner = jnp.all(inner, -1, keepdims=True) & memory.real[..., None]
    dense = Dense(self.features, dtype=self.dtype, name="token_dense")
    tokens = dense(jnp.where(inner, memory.tokens, 0))
    tokens = layer_norm("token_norm", self.dtype)(tokens)
    shift = self.box_head("token_box_head", zero=True)(tokens)
    boxes = shift_boxes(shift, anchors, _EPSILON)
    logits = self.class_head("token_class_head", classes)(tokens)
    return tokens, logits, jnp.where(inner, boxes, 1.0)

  def best(self, logits: Array) -> Callable[[Array], Array]:
    """Returns what takes the most promising tokens, as many as queries.

    Args:
      logits: (b, l, k) of the tokens.
    """
    score = self.promise(logits)
    _, best = jax.lax.top_k(score, min(self.num_queries, score.shape[1]))
    return lambda x: jnp.take_along_axis(x, best[..., None], 1)

  def decode(
    self,
    memory: Memory,
    heads: Sequence[tuple[nn.Module, nn.Module]],
    y: Array,
    position: Callable[[Array], Array],
    place: Array,
    train: bool,
    *,
    refine: bool = True,
    seen: Array | None = None,
  ) -> dict[str, Array]:
    """Returns `logits` (i, b, q, k) and `boxes` (i, b, q, 4) of each layer.

    Args:
      memory: what queries look at.
      heads: of each layer, of classes and of boxes.
      y: contents of the queries, (b, q, d).
      position: maps their places to what is added to contents, (b, q, d).
      place: points (b, q, 2) or boxes (b, q, 4).
      train: whether there is dropout.
      refine: whether each layer's boxes are the next one's places.
      seen: (b, q, q), False where a query may not see another.
    """
    logits, boxes = [], []
    fields = {"points": self.points, "sides": memory.sides}
    count, parts = self.decoder_layers, real_parts(memory)
    layers = self.layers(DeformableDecoderLayer, "decoder", count, 6, **fields)
    for layer, (class_head, box_head) in zip(layers, heads, strict=True):
      where = jnp.tile(parts, place.shape[-1] // 2)[:, None]
      where = where * place[:, :, None]
      given = (position(place), where, memory.tokens, memory.mask)
      y = layer(y, *given, train, seen)
      boxes.append(shift_boxes(box_head(y), _as_boxes(place), _EPSILON))
      logits.append(class_head(y))
      if refine:
        place = jax.lax.stop_gradient(boxes[-1])
    return {"logits": jnp.stack(logits), "boxes": jnp.stack(boxes)}


def real_parts(memory: Memory) -> Array:
  """How much of each map's width and height is no padding, (b, i, 2)."""
  parts, start = [], 0
  for h, w in memory.sides:
    real = memory.real[:, start : start + h * w].reshape(-1, h, w)
    parts.append(jnp.stack([real[:, 0].mean(1), real[:, :, 0].mean(1)], -1))
    start += h * w
  return jnp.stack(parts, 1)


def _as_boxes(place: Array) -> Array:
  """Points (..., 2) as boxes (..., 4) whose sizes' logits are 0; or boxes."""
  if place.shape[-1] == 4:
    return place
  return jnp.concatenate([place, jnp.full_like(place, 0.5)], -1)
