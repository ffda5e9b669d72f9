"""Image classification."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import flax.linen as nn
import jax.numpy as jnp

from vision_jax.core.types import Array, Batch, Mean, Nets, Objective
from vision_jax.losses.class_weights import check_class_weights
from vision_jax.losses.classification import softmax_cross_entropy

NET = "model"


@dataclasses.dataclass(frozen=True)
class Classification:
  """One label for each image.

  A batch has `image` (b, h, w, c) and `label`, int (b,) or, after MixUp and for
  several labels an image, a distribution or indicators (b, k).

  Attributes:
    model: (image, *, train, mask) -> logits (b, k).
    loss: (logits, label) -> (b,).
    class_weights: (k,) weights of the classes in the loss's mean, or None.
  """

  model: nn.Module
  loss: Callable[[Array, Array], Array] = softmax_cross_entropy
  class_weights: Sequence[float] | None = None

  @property
  def objectives(self) -> tuple[Objective, ...]:
    """The loss, to be descended by the one net."""
    return (Objective(NET, self._loss, {"cross_entropy": 1.0}),)

  def init(self, key: Array, batch: Batch) -> tuple[Nets, Nets]:
    """Returns the model's parameters and BatchNorm statistics."""
    variables = dict(self.model.init(key, batch["image"], train=False))
    return {NET: variables.pop("params")}, {NET: variables}

  def predict(
    self, params: Nets, stats: Nets, batch: Batch, key: Array
  ) -> dict[str, Array]:
    """Returns logits (b, k) and the most likely label (b,)."""
    del key
    logits = self.model.apply(
      {"params": params[NET], **stats[NET]}, batch["image"], train=False
    )
    return {"logits": logits, "label": jnp.argmax(logits, -1)}

  def _loss(
    self,
    params: Nets,
    stats: Nets,
    batch: Batch,
    key: Array,
    *,
    step: Array,
    train: bool,
  ) -> tuple[dict[str, Mean], Nets]:
    del step
    logits, new = self._apply(params, stats, batch, key, train)
    check_class_weights(self.class_weights, logits.shape[-1])
    values = self.loss(logits, batch["label"])
    weights = batch["mask"] * self._weights(batch["label"])
    return {"cross_entropy": Mean.of(values, weights)}, new

  def _apply(
    self, params: Nets, stats: Nets, batch: Batch, key: Array, train: bool
  ) -> tuple[Array, Any]:
    logits, new = self.model.apply(
      {"params": params[NET], **stats[NET]},
      batch["image"],
      train=train,
      mask=batch["mask"],
      mutable=list(stats[NET]) if train else [],
      rngs={"dropout": key} if train else {},
    )
    return logits, {NET: new} if train else stats

  def _weights(self, label: Array) -> Array | float:
    if self.class_weights is None:
      return 1.0
    weights = jnp.asarray(self.class_weights, jnp.float32)
    if jnp.issubdtype(label.dtype, jnp.integer):
      return weights[label]
    return label @ weights
