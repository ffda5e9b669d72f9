"""Mask2Former: a set of masks with classes, from queries that look into them.

Cheng et al., 2022, https://arxiv.org/abs/2112.01527.
"""

from collections.abc import Callable, Sequence

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.errors import UserError
from vision_jax.layers.conv import Conv
from vision_jax.layers.dense import Dense
from vision_jax.layers.interpolate import bilinear
from vision_jax.layers.remat import remat
from vision_jax.models.backbones.backbone import Backbone
from vision_jax.models.detection.detr_layers import (
  MLP,
  DecoderLayer,
  layer_norm,
)
from vision_jax.models.detection.detr_positions import sine_positions
from vision_jax.models.detection.fpn import FPN, check_levels
from vision_jax.ops.shapes import check_shape


class Mask2Former(nn.Module):
  """Masks of things and stuff alike, each a query's.

  A layer of the decoder looks at one level of the pyramid, the coarsest first,
  and only where the layer before it sees the query's mask; all of it, where it
  sees none. Paths backbone, pyramid, mask_features, level_embeddings,
  query_features, query_positions, decoder1, ..., decoder_norm, class_head,
  mask_head.

  Differs from the paper: the pixel decoder is a feature pyramid, in place of
  deformable attention.

  Attributes:
    num_classes: k, things and stuff.
    backbone: net that gives the image's feature maps.
    levels: the backbone's maps that the pyramid has; masks have the first one's
      size, and the decoder looks at the others.
    num_queries: q, the most segments that it may find.
    features: d of pyramid and transformer.
    heads, hidden, dropout: see `DecoderLayer`.
    decoder_layers: how many.
    remat: what the decoder's layers compute again in the backward pass, see
      `layers.remat`; the backbone has its own.
    dtype: type to compute in; parameters and the heads are float32.
  """

  num_classes: int
  backbone: Backbone
  levels: Sequence[str] = ("c2", "c3", "c4", "c5")
  num_queries: int = 100
  features: int = 256
  heads: int = 8
  hidden: int = 2048
  dropout: float = 0.0
  decoder_layers: int = 9
  remat: str = "none"
  dtype: DTypeLike = jnp.float32

  background = True  # the logits' last class is "no object"
  prefixes = ("", "aux_")  # of the loss's terms: see `tasks.detection.Detector`

  @nn.compact
  def __call__(
    self, x: Array, *, train: bool, mask: Array | None = None
  ) -> dict[str, Array]:
    """Maps images x (b, h, w, c) to classes and masks of the queries.

    Args:
      x: images.
      train: whether there is dropout.
      mask: (b,), which examples count in BatchNorm.

    Returns:
      `logits` (i, b, q, k + 1) and `masks` (i, b, q, h', w'), logits, float32:
      of the queries as they begin, and after each layer, the last one last.
    """
    b, *_ = check_shape("image", x, "b h w c")
    if len(self.levels) < 2:
      raise UserError(
        f"levels: got {tuple(self.levels)}; expected at least two, of the "
        "masks and of what the decoder looks at."
      )
    check_levels(self.backbone, self.levels)
    maps = self.backbone(x, train=train, mask=mask, features=True)
    pyramid = FPN(self.levels, self.features, dtype=self.dtype, name="pyramid")
    finest, *coarse = pyramid(maps)
    predict = self._heads(finest)
    memory = self._memory(coarse[::-1])
    start, query = (
      jnp.broadcast_to(table, (b, *table.shape))
      for table in (
        self._table("query_features", self.num_queries),
        self._table("query_positions", self.num_queries),
      )
    )
    y = start.astype(self.dtype)
    found = [predict(y)]
    for i, layer in enumerate(self._layers()):
      tokens, positions, size = memory[i % len(memory)]
      seen = attended(found[-1][1], size)
      y = layer(y, query, tokens, positions, seen, train)
      found.append(predict(y))
    logits, masks = (jnp.stack(part) for part in zip(*found, strict=True))
    return {"logits": logits, "masks": masks}

  def _heads(self, finest: Array) -> Callable[[Array], tuple[Array, Array]]:
    """Returns what maps queries to logits and masks on the finest map."""
    conv = Conv(
      *(self.features, 1),
      use_bias=True,
      dtype=self.dtype,
      name="mask_features",
    )
    pixels = conv(finest).astype(jnp.float32)
    norm = layer_norm("decoder_norm", self.dtype)
    classes = Dense(self.num_classes + 1, name="class_head")
    masks = MLP((self.features,) * 3, name="mask_head")

    def predict(y: Array) -> tuple[Array, Array]:
      y = norm(y)
      return classes(y), jnp.einsum("bqd,bhwd->bqhw", masks(y), pixels)

    return predict

  def _memory(
    self, maps: Sequence[Array]
  ) -> list[tuple[Array, Array, tuple[int, int]]]:
    """Returns tokens, their positions and the size of each map (b, h, w, d)."""
    levels, memory = self._table("level_embeddings", len(maps)), []
    for y, level in zip(maps, levels, strict=True):
      b, h, w, d = y.shape
      places = sine_positions(jnp.ones((b, h, w)), d).astype(self.dtype)
      tokens = (y + level).astype(self.dtype)
      flat = (part.reshape(b, h * w, d) for part in (tokens, places))
      memory.append((*flat, (h, w)))
    return memory

  def _layers(self) -> list[Callable[..., Array]]:
    layer = remat(DecoderLayer, self.remat, static=(6,))
    sizes = (self.heads, self.hidden, self.dropout, 0.0, self.dtype, True)
    number = range(1, self.decoder_layers + 1)
    return [layer(*sizes, name=f"decoder{i}") for i in number]

  def _table(self, name: str, rows: int) -> Array:
    """Returns a learned vector for each of some things, (rows, d)."""
    normal = nn.initializers.normal(1.0)
    return self.param(name, normal, (rows, self.features), jnp.float32)


def attended(masks: Array, size: tuple[int, int]) -> Array:
  """Returns where queries may look on a smaller map, (b, q, h * w) bool.

  That is where their mask is; everywhere, where there is none.

  Args:
    masks: (b, q, h', w'), logits.
    size: (h, w) of the map.
  """
  b, q, *_ = masks.shape
  small = bilinear(jnp.moveaxis(masks, 1, -1), size)
  there = jnp.moveaxis(small, -1, 1).reshape(b, q, -1) >= 0
  return there | ~there.any(-1, keepdims=True)
