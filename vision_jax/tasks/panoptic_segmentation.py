"""Panoptic segmentation: masks with classes, of things and stuff."""

import dataclasses
from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp

from vision_jax.core.types import Array, Batch, Mean, Nets, Objective, Terms
from vision_jax.errors import UserError
from vision_jax.losses.masks import MaskCriterion
from vision_jax.ops.segments import (
  Segments,
  enlarged,
  panoptic_map,
  segments_of,
  semantic_map,
)
from vision_jax.tasks.net import NET, OneNet


@dataclasses.dataclass(frozen=True)
class PanopticSegmentation(OneNet):
  """A set of masks with classes for each image, as Mask2Former has it.

  A batch has `image` (b, h, w, c), `target` (b, h, w), classes of which any
  other value is of no segment, and `instances` (b, h, w), which number the
  objects of things, see `segments_of`. The term `dropped` is logged: the
  objects of an image beyond `max_objects`.

  Attributes:
    model: (image, *, train, mask) -> outputs, such as `Mask2Former`.
    things: the classes whose objects are told apart; () for semantic
      segmentation, whose batches need no `instances`.
    criterion: loss of the outputs and the segments.
    max_objects: of things, of an image in training.
    sure, whole: see `panoptic_map`.
  """

  model: nn.Module
  things: Sequence[int] = ()
  criterion: MaskCriterion = dataclasses.field(default_factory=MaskCriterion)
  max_objects: int = 100
  sure: float = 0.8
  whole: float = 0.8

  def __post_init__(self):
    k = self.model.num_classes
    if unknown := set(self.things) - set(range(k)):
      raise UserError(
        f"things: got {sorted(unknown)[0]}; expected some of the model's "
        f"classes, 0 to {k - 1}."
      )

  @property
  def objectives(self) -> tuple[Objective, ...]:
    """The weighted sum of all terms, to be descended by the one net."""
    weights = {
      prefix + name: weight
      for prefix in self.model.prefixes
      for name, weight in self.criterion.weights.items()
    }
    return (Objective(NET, self._loss, weights),)

  def predict(
    self, params: Nets, stats: Nets, batch: Batch, key: Array
  ) -> dict[str, Array]:
    """Returns `target`, `panoptic` and `instances`, at the image's size.

    `target` (b, h, w) is each pixel's most likely class, of all masks together,
    uint8, or int32 for more than 255 classes; `panoptic` (b, h, w, 2) as
    `panoptic_map` has it; `instances` (b, h, w) its numbers of things.
    """
    del key
    out = self.net.given(params, stats)(batch["image"], train=False)
    logits = out["logits"][-1]
    masks = enlarged(out["masks"][-1], batch["image"].shape[1:3])
    small = self.model.num_classes <= 255
    target = semantic_map(logits, masks)
    panoptic = panoptic_map(
      logits, masks, self.things, sure=self.sure, whole=self.whole
    )
    return {
      "target": target.astype(jnp.uint8 if small else jnp.int32),
      "panoptic": panoptic,
      "instances": panoptic[..., 1],
    }

  def truth(self, batch: Batch) -> Segments:
    """Returns the segments that are there."""
    target = batch["target"]
    instances = batch["instances"] if self.things else jnp.zeros_like(target)
    count = self.max_objects if self.things else 0
    number = self.model.num_classes
    return segments_of(target, instances, number, self.things, count)

  def _loss(self, params, stats, batch, key, *, step, train) -> Terms:
    outputs, stats = self.net.run(
      *(params, stats, batch["image"]), key=key, train=train, mask=batch["mask"]
    )
    masks, label, there, objects = self.truth(batch)
    truth = {"masks": masks, "label": label, "box_mask": there}
    truth |= {name: batch[name] for name in ("mask", "index") if name in batch}
    # The net has the key itself.
    terms = self.criterion(outputs, truth, jax.random.fold_in(key, 1))
    dropped = jnp.maximum(objects - self.max_objects, 0).astype(jnp.float32)
    terms["dropped"] = Mean.of(dropped, batch["mask"])
    return terms, stats
