"""DETR whose queries start from the image: two-stage, with refined boxes.

Two-stage and iterative refinement of Deformable DETR, Zhu et al., 2021,
https://arxiv.org/abs/2010.04159, with positions of boxes as in DAB-DETR, Liu et
al., 2022, https://arxiv.org/abs/2201.12329, and noised boxes beside them as in
DN-DETR, Li et al., 2022, https://arxiv.org/abs/2203.01305.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from vision_jax.core.types import Array
from vision_jax.layers.dense import Dense
from vision_jax.models.detection.detr_encoder import DetrEncoder, Memory
from vision_jax.models.detection.detr_layers import MLP, layer_norm
from vision_jax.models.detection.detr_positions import (
  shift_boxes,
  sine_of_boxes,
)
from vision_jax.ops.noised_boxes import Noised, beside


class TwoStageDetr(DetrEncoder):
  """Each query starts from one of the image's tokens.

  Every token predicts a class and a box around itself, the best become the
  queries' contents and first boxes, and each decoder layer looks from the box
  so far and corrects it. Attention is DETR's, to all tokens. Fields are those
  of `DetrEncoder`, and denoise. Paths, besides its: token_dense, token_norm,
  token_class_head, token_box_head, position_head, decoder_norm, class_head,
  box_head, label_contents (with `denoise`).

  Attributes:
    denoise: whether it takes noised boxes, whose contents are their labels'.
  """

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
      and `token_logits` (b, l, k) and `token_boxes` (b, l, 4) of the tokens.
      Where there are `noised` boxes, g groups of n, the decoder's begin with
      g n of those, of which the others see nothing.
    """
    memory = self.encode(x, train, mask, image_mask)
    tokens, token_logits, token_boxes = self._propose(memory)
    score = jnp.where(memory.real, self.promise(token_logits), -jnp.inf)
    _, best = jax.lax.top_k(score, min(self.num_queries, score.shape[1]))
    pick = lambda y: jnp.take_along_axis(y, best[..., None], 1)
    y, box = pick(tokens), jax.lax.stop_gradient(pick(token_boxes))
    seen = None
    if self.denoise:
      contents = self.table("label_contents", self.num_classes)
      if noised is not None:
        y, box, seen = beside(noised, contents, y, box)
    norm = layer_norm("decoder_norm", self.dtype)
    class_head, box_head = self.class_head(), self.box_head(zero=True)
    position = self._mlp("position_head")
    logits, boxes = [], []
    for layer in self.decoder():
      waves = sine_of_boxes(box, self.features).astype(self.dtype)
      query = position(waves)
      y = layer(y, query, *memory[:2], memory.mask, train, seen)
      state = norm(y)
      boxes.append(shift_boxes(box_head(state), box))
      logits.append(class_head(state))
      box = jax.lax.stop_gradient(boxes[-1])
    return {
      "logits": jnp.stack(logits),
      "boxes": jnp.stack(boxes),
      "token_logits": token_logits,
      "token_boxes": token_boxes,
    }

  def _propose(self, memory: Memory) -> tuple[Array, Array, Array]:
    """Returns a content, logits and a box of every token."""
    dense = Dense(self.features, dtype=self.dtype, name="token_dense")
    tokens = layer_norm("token_norm", self.dtype)(dense(memory.tokens))
    shift = self.box_head("token_box_head", zero=True)(tokens)
    logits = self.class_head("token_class_head")(tokens)
    return tokens, logits, shift_boxes(shift, memory.anchors)

  def _mlp(self, name: str) -> MLP:
    sizes = (self.features, self.features)
    return MLP(sizes, dtype=self.dtype, name=name)
