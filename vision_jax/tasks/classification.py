"""Image classification."""

import dataclasses
from collections.abc import Sequence

import flax.linen as nn
import jax.numpy as jnp

from vision_jax.core.types import (
  Array,
  Batch,
  Loss,
  Mean,
  Nets,
  Objective,
  Terms,
)
from vision_jax.losses.class_weights import check_class_weights
from vision_jax.losses.classification import softmax_cross_entropy
from vision_jax.tasks.net import NET, OneNet


@dataclasses.dataclass(frozen=True)
class Classification(OneNet):
  """One label for each image.

  A batch has `image` (b, h, w, c) and `label`, int (b,) or, after MixUp and for
  several labels an image, a distribution or indicators (b, k).

  Attributes:
    model: (image, *, train, mask) -> logits (b, k).
    loss: gives the loss of each example.
    class_weights: (k,) weights of the classes in the loss's mean, or None.
  """

  model: nn.Module
  loss: Loss = softmax_cross_entropy
  class_weights: Sequence[float] | None = None

  @property
  def objectives(self) -> tuple[Objective, ...]:
    """The loss, to be descended by the one net."""
    return (Objective(NET, self._loss, {"cross_entropy": 1.0}),)

  def predict(
    self, params: Nets, stats: Nets, batch: Batch, key: Array
  ) -> dict[str, Array]:
    """Returns logits (b, k) and the most likely label (b,)."""
    logits = self.net.given(params, stats)(batch["image"], train=False)
    return {"logits": logits, "label": jnp.argmax(logits, -1)}

  def _loss(self, params, stats, batch, key, *, step, train) -> Terms:
    logits, stats = self.net.run(
      *(params, stats, batch["image"]),
      key=key,
      train=train,
      mask=batch["mask"],
    )
    check_class_weights(self.class_weights, logits.shape[-1])
    values = self.loss(logits, batch["label"])
    weights = batch["mask"] * self._weights(batch["label"])
    return {"cross_entropy": Mean.of(values, weights)}, stats

  def _weights(self, label: Array) -> Array | float:
    if self.class_weights is None:
      return 1.0
    weights = jnp.asarray(self.class_weights, jnp.float32)
    if jnp.issubdtype(label.dtype, jnp.integer):
      return weights[label]
    return label @ weights
