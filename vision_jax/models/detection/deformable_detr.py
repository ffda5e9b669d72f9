"""Deformable DETR: queries look at a few points of maps of several sizes.

Zhu et al., 2021, https://arxiv.org/abs/2010.04159.
"""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.errors import UserError
from vision_jax.layers.attention import XAVIER
from vision_jax.layers.conv import Conv
from vision_jax.layers.dense import Dense
from vision_jax.layers.group_norm import GroupNorm
from vision_jax.models.detection import detr
from vision_jax.models.detection.deformable_decoder import (
  DeformableDecoder,
  real_parts,
)
from vision_jax.models.detection.deformable_layers import DeformableEncoderLayer
from vision_jax.models.detection.detr_encoder import Memory
from vision_jax.models.detection.detr_layers import layer_norm
from vision_jax.models.detection.detr_positions import (
  sine_of_boxes,
  sine_positions,
)


class DeformableDetr(DeformableDecoder):
  """Costs grow with the pixels, and not with their square, so maps are large.

  A query is learned, its place a point; with `refine` each decoder layer
  corrects the box of the one before, with heads of its own; with `two_stage`
  too, queries are the tokens' best boxes. Fields are those of
  `DeformableDecoder`, and these. Paths, besides its: projection_c6,
  projection_c3_norm, ..., query_positions, reference_points, class_head,
  box_head (class_head1, ... with `refine`), position_dense, position_norm.
  Attention dropout is of queries to each other.

  Attributes:
    more: further maps, each half as large, by convolutions of the last.
    groups: of the maps' normalization.
    refine: whether each decoder layer corrects the last one's box.
    two_stage: whether queries are boxes that the encoder proposes.
  """

  more: int = 1
  groups: int = 32
  refine: bool = False
  two_stage: bool = False

  @property
  def prefixes(self) -> tuple[str, ...]:
    """Of the loss's terms: see `tasks.detection.Detector`."""
    return ("", "aux_", "token_") if self.two_stage else ("", "aux_")

  @nn.compact
  def __call__(
    self,
    x: Array,
    *,
    train: bool,
    mask: Array | None = None,
    image_mask: Array | None = None,
  ) -> dict[str, Array]:
    """Maps images x (b, h, w, c) to logits and boxes, as `Detr` does.

    Returns:
      `logits` (i, b, q, k) and `boxes` (i, b, q, 4) of the decoder's layers;
      with `two_stage` also `token_logits` (b, l, 1), of any object, and
      `token_boxes` (b, l, 4) of the tokens.
    """
    if self.two_stage and not self.refine:
      raise UserError(
        "two_stage: got it without refine; expected refine=True, as queries "
        "that are boxes are corrected."
      )
    memory = self.look(x, train, mask, image_mask)
    tokens, place = memory.tokens, memory.anchors[:, :, None, :2]
    where = place * real_parts(memory)[:, None]
    fields = {"points": self.points, "sides": memory.sides}
    count = self.encoder_layers
    layers = self.layers(DeformableEncoderLayer, "encoder", count, 5, **fields)
    for layer in layers:
      tokens = layer(tokens, memory.positions, where, memory.mask, train)
    memory = memory._replace(tokens=tokens)
    if self.two_stage:
      start, found = self._proposed(memory)
    else:
      start, found = self._learned(x.shape[0]), {}
    content, position, place = start
    given = (memory, self._heads(), content, lambda _: position, place, train)
    return self.decode(*given, refine=self.refine) | found

  def project(
    self,
    maps: Mapping[str, Array],
    train: bool,
    mask: Array | None,
    image_mask: Array | None,
  ) -> list[Array]:
    """Maps the backbone's maps to those of the tokens, (b, h, w, d) each."""
    del train, mask, image_mask
    conv = functools.partial(
      *(Conv, self.features),
      use_bias=True,
      dtype=self.dtype,
      kernel_init=XAVIER,
    )

    def projected(level, x, kernel, stride):
      name = f"projection_{level}"
      norm = GroupNorm(self.groups, 1e-5, self.dtype, name=f"{name}_norm")
      return norm(conv(kernel=kernel, stride=stride, name=name)(x))

    found = [projected(x, maps[x], 1, 1) for x in self.levels]
    last = self.levels[-1]
    y = maps[last]
    for i in range(self.more):
      y = projected(f"c{int(last[1:]) + 1 + i}", y, 3, 2)
      found.append(y)
    return found

  def place(self, masks: Sequence[Array]) -> list[Array]:
    """Returns the positions of maps (b, h, w, d), of what is real of them."""
    table = self.table("level_positions", len(masks))
    places = [sine_positions(real, self.features, 0.5) for real in masks]
    return [x + table[i] for i, x in enumerate(places)]

  def _learned(self, b: int) -> tuple[Array, Array, Array]:
    """Returns learned contents, positions, and places as points."""
    table = self.param(
      "query_positions",
      nn.initializers.normal(1.0),
      (self.num_queries, 2 * self.features),
      jnp.float32,
    )
    table = jnp.broadcast_to(table, (b, *table.shape))
    position, content = jnp.split(table, 2, -1)
    point = Dense(2, kernel_init=XAVIER, name="reference_points")(position)
    of_type = lambda y: y.astype(self.dtype)
    return of_type(content), of_type(position), jax.nn.sigmoid(point)

  def _proposed(
    self, memory: Memory
  ) -> tuple[tuple[Array, Array, Array], dict[str, Array]]:
    """Returns the same of the tokens' best boxes, and what tokens predict."""
    _, logits, boxes = self.propose(memory, 1)
    box = jax.lax.stop_gradient(self.best(logits)(boxes))
    # x's sines before y's here, other than in the images' positions.
    waves = sine_of_boxes(box[..., np.array([1, 0, 3, 2])], self.features)
    dense = Dense(2 * self.features, dtype=self.dtype, name="position_dense")
    both = layer_norm("position_norm", self.dtype)(dense(waves))
    position, content = jnp.split(both, 2, -1)
    predicted = {"token_logits": logits, "token_boxes": boxes}
    return (content, position, box), predicted

  def _heads(self) -> list[tuple[nn.Module, nn.Module]]:
    """Returns the heads of classes and boxes of each decoder layer."""
    count = self.decoder_layers
    if not self.refine:
      return [(self.class_head(), self._box_head("box_head", True))] * count
    return [
      (
        self.class_head(f"class_head{i + 1}"),
        self._box_head(f"box_head{i + 1}", i == 0 and not self.two_stage),
      )
      for i in range(count)
    ]

  def _box_head(self, name: str, small: bool) -> nn.Module:
    """Returns a head that begins with no shift, or with boxes that are small.

    A point's box has half the image's sides.
    """
    size = jnp.array([0.0, 0.0, -2.0, -2.0])
    bias = (lambda *_: size) if small else nn.initializers.zeros
    return self.box_head(name, zero=True, bias=bias)


def variant(
  name: str,
  num_classes: int,
  *,
  frozen_norm: bool = True,
  remat: str = "none",
  dtype: DTypeLike = jnp.float32,
  **options: Any,
) -> DeformableDetr:
  """Returns a published form on "R50", or another ResNet.

  Args:
    name: the backbone, as `detr.variant` has it, without DC5.
    num_classes: k; the published weights for COCO have 91.
    frozen_norm: whether BatchNorm keeps the pretrained moments.
    remat: what is computed anew of the backbone's blocks and the transformer's
      layers.
    dtype: type to compute in.
    **options: other fields of `DeformableDetr`.
  """
  if name not in detr.BACKBONES:
    raise UserError(
      f"Deformable DETR: got the variant {name!r}; expected one of "
      f"{sorted(detr.BACKBONES)}."
    )
  shared = {"remat": remat, "dtype": dtype}
  body = detr.BACKBONES[name](num_classes=0, frozen_norm=frozen_norm, **shared)
  return DeformableDetr(num_classes, body, **shared, **options)
