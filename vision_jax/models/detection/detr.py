"""DETR: detection as the prediction of a set, from learned queries.

Carion et al., 2020, https://arxiv.org/abs/2005.12872.
"""

import functools
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.errors import UserError
from vision_jax.models.backbones import resnet
from vision_jax.models.detection.detr_encoder import DetrEncoder
from vision_jax.models.detection.detr_layers import layer_norm


class Detr(DetrEncoder):
  """The paper's: a query is a learned position, its box the decoder's alone.

  It takes hundreds of epochs, and on hundreds of images it does not learn at
  all: see `TwoStageDetr`. Fields are those of `DetrEncoder`. Paths, besides
  its: query_positions, decoder_norm, class_head, box_head.
  """

  prefixes = ("", "aux_")  # of the loss's terms: see `tasks.detection.Detector`

  @nn.compact
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
      decoder layer, the last one last.
    """
    memory = self.encode(x, train, mask, image_mask)
    query = self.table("query_positions", self.num_queries)
    query = jnp.broadcast_to(query, (x.shape[0], *query.shape))
    norm = layer_norm("decoder_norm", self.dtype)
    y, states = jnp.zeros_like(query, self.dtype), []
    for layer in self.decoder():
      y = layer(y, query, *memory[:2], memory.mask, train)
      states.append(norm(y))
    states = jnp.stack(states)
    boxes = jax.nn.sigmoid(self.box_head()(states))
    return {"logits": self.class_head()(states), "boxes": boxes}


# COCO's, with 91 classes: R50 trains 41,302,368 parameters, AP 42.0, and R101
# 60,242,272, AP 43.5; with DC5 there are as many, and AP is 43.3 and 44.9.
BACKBONES = {
  "R18": resnet.ResNet18,
  "R34": resnet.ResNet34,
  "R50": resnet.ResNet50,
  "R101": resnet.ResNet101,
  "tiny": functools.partial(resnet.ResNet18, stages=(1, 1, 1, 1), width=8),
}


def variant(
  name: str,
  num_classes: int,
  *,
  frozen_norm: bool = True,
  remat: str = "none",
  dtype: DTypeLike = jnp.float32,
  **options: Any,
) -> Detr:
  """Returns a published form: "R18", "R34", "R50", "R101", also with "-DC5".

  Args:
    name: the backbone, "tiny" for tests; DC5 dilates its last stage, so that
      there are four times as many tokens.
    num_classes: k; the published weights for COCO have 91.
    frozen_norm: whether BatchNorm keeps the pretrained moments.
    remat: what is computed anew of the backbone's blocks and the transformer's
      layers.
    dtype: type to compute in.
    **options: other fields of `Detr`.
  """
  backbone, dash, dilated = name.partition("-")
  if backbone not in BACKBONES or (dash and dilated != "DC5"):
    raise UserError(
      f"DETR: got the variant {name!r}; expected one of {sorted(BACKBONES)}, "
      "alone or followed by -DC5."
    )
  body = BACKBONES[backbone](
    num_classes=0,
    frozen_norm=frozen_norm,
    dilated=int(bool(dash)),
    remat=remat,
    dtype=dtype,
  )
  return Detr(num_classes, body, remat=remat, dtype=dtype, **options)
