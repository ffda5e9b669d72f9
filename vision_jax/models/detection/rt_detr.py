"""RT-DETR: a DETR in real time, whose encoder is mostly convolutions.

Zhao et al., 2023, https://arxiv.org/abs/2304.08069.
"""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.errors import UserError
from vision_jax.layers.conv_norm import conv_norms
from vision_jax.models.backbones import resnet
from vision_jax.models.detection.deformable_decoder import DeformableDecoder
from vision_jax.models.detection.detr_layers import MLP
from vision_jax.models.detection.hybrid_encoder import HybridEncoder
from vision_jax.ops.noised_boxes import Noised, beside


class RTDetr(DeformableDecoder):
  """The tokens with the best classes are the queries, and boxes are refined.

  Fields are those of `DeformableDecoder`, and these. Paths, besides its:
  encoder, see `HybridEncoder`, projection_c3, ... (a convolution and its norm
  each), position_head, class_head1, box_head1, ..., label_contents (with
  `denoise`).

  Differs from the paper: the noised boxes of training are DN-DETR's, all near
  to a true one, without those that are to be refused; and in prediction the
  convolutions side by side are not merged into one.

  Attributes:
    encoder_features: of the encoder's maps.
    encoder_hidden: features inside the encoder's MLPs.
    blocks: of each of the pyramid's layers.
    expansion: width within these layers, a part of the maps'.
    denoise: whether it takes noised boxes, whose contents are their labels'.
  """

  dropout: float = 0.0
  encoder_layers: int = 1
  encoder_features: int = 256
  encoder_hidden: int = 1024
  blocks: int = 3
  expansion: float = 1.0
  denoise: bool = False

  prefixes = ("", "aux_", "token_")  # see `tasks.detection.Detector`

  @nn.compact
  def __call__(
    self,
    x: Array,
    *,
    train: bool,
    mask: Array | None = None,
    image_mask: Array | None = None,
    noised: Noised | None = None,
  ) -> dict[str, Array]:
    """Maps images x (b, h, w, c) to logits and boxes, as `Detr` does.

    Returns:
      `logits` (i, b, q, k) and `boxes` (i, b, q, 4) of the decoder's layers,
      and `token_logits` (b, q, k) and `token_boxes` (b, q, 4) of the tokens
      that became queries. Where there are `noised` boxes, g groups of n, the
      decoder's begin with g n of those, of which the others see nothing.
    """
    memory = self.look(x, train, mask, image_mask)
    tokens, logits, boxes = self.propose(memory)
    pick = self.best(logits)
    found = {"token_logits": pick(logits), "token_boxes": pick(boxes)}
    y, box = jax.lax.stop_gradient((pick(tokens), found["token_boxes"]))
    seen = None
    if self.denoise:
      contents = self.table("label_contents", self.num_classes)
      if noised is not None:
        y, box, seen = beside(noised, contents, y, box)
    sizes = (2 * self.features, self.features)
    position = MLP(sizes, dtype=self.dtype, name="position_head")
    heads = [
      (
        self.class_head(f"class_head{i + 1}"),
        self.box_head(f"box_head{i + 1}", zero=True),
      )
      for i in range(self.decoder_layers)
    ]
    out = self.decode(memory, heads, y, position, box, train, seen=seen)
    return out | found

  def project(
    self,
    maps: Mapping[str, Array],
    train: bool,
    mask: Array | None,
    image_mask: Array | None,
  ) -> list[Array]:
    """Maps the backbone's maps through the encoder to the decoder's width."""
    encoder = HybridEncoder(
      self.levels,
      self.encoder_features,
      self.heads,
      self.encoder_hidden,
      self.dropout,
      self.attention_dropout,
      self.encoder_layers,
      self.blocks,
      self.expansion,
      remat=self.remat,
      dtype=self.dtype,
      name="encoder",
    )
    found = encoder(maps, train=train, mask=mask, image_mask=image_mask)
    conv = conv_norms(train=train, mask=mask, activation=None, dtype=self.dtype)
    return [
      conv(self.features, 1, name=f"projection_{level}")(y)
      for level, y in zip(self.levels, found, strict=True)
    ]

  def place(self, masks: Sequence[Array]) -> None:
    """Returns no positions: queries know where they look."""
    del masks


_TINY = functools.partial(resnet.ResNet18, stages=(1, 1, 1, 1), width=8)
# The backbone, decoder layers, expansion, and the encoder's features and hidden
# features.
SIZES = {
  "R18": (resnet.ResNet18, 3, 0.5, 256, 1024),
  "R34": (resnet.ResNet34, 4, 0.5, 256, 1024),
  "R50-M": (resnet.ResNet50, 6, 0.5, 256, 1024),
  "R50": (resnet.ResNet50, 6, 1.0, 256, 1024),
  "R101": (resnet.ResNet101, 6, 1.0, 384, 2048),
  "tiny": (_TINY, 2, 0.5, 32, 64),
}


def variant(
  name: str,
  num_classes: int,
  *,
  frozen_norm: bool = True,
  remat: str = "none",
  dtype: DTypeLike = jnp.float32,
  **options: Any,
) -> RTDetr:
  """Returns RT-DETR-R18, -R34, -R50-M, -R50 or -R101, or "tiny" for tests.

  The paper's have, with 80 classes, 20, 31, 36, 42 and 76 million parameters.

  Args:
    name: the size, after its ResNet-D.
    num_classes: k; the published weights for COCO have 80.
    frozen_norm: whether the backbone's BatchNorm keeps the pretrained moments.
    remat: what is computed anew of the backbone's blocks, the pyramid's and the
      transformer's layers.
    dtype: type to compute in.
    **options: other fields of `RTDetr`.
  """
  if name not in SIZES:
    raise UserError(
      f"RT-DETR: got the variant {name!r}; expected one of {sorted(SIZES)}."
    )
  make, layers, expansion, encoder_features, encoder_hidden = SIZES[name]
  shared = {"remat": remat, "dtype": dtype}
  deep = {"stem": "deep", "shortcut": "D"}
  body = make(num_classes=0, frozen_norm=frozen_norm, **deep, **shared)
  fields = {
    "decoder_layers": layers,
    "encoder_features": encoder_features,
    "encoder_hidden": encoder_hidden,
    "expansion": expansion,
    **shared,
  }
  return RTDetr(num_classes, body, **(fields | options))
