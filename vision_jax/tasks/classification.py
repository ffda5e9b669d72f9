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
from vision_jax.errors import UserError
from vision_jax.losses.class_weights import check_class_weights
from vision_jax.losses.classification import (
  sigmoid_cross_entropy,
  softmax_cross_entropy,
  softmax_focal,
)
from vision_jax.tasks.net import NET, OneNet


@dataclasses.dataclass(frozen=True)
class Classification(OneNet):
  """One label for each image, or any number of them.

  A batch has `image` (b, h, w, c) and `label`, int (b,) or, after MixUp, a
  distribution (b, k); for several labels an image indicators (b, k).

  Attributes:
    model: (image, *, train, mask) -> logits (b, k).
    loss: gives the loss of each example; None is cross entropy, by a softmax of
      classes that exclude one another, else by a sigmoid of each.
    class_weights: (k,) weights of the classes in the loss's mean, or None.
    exclusive: whether an image has one class; else each has a probability of
      its own.
  """

  model: nn.Module
  loss: Loss | None = None
  class_weights: Sequence[float] | None = None
  exclusive: bool = True

  def __post_init__(self):
    if self.loss is None:
      by_kind = (sigmoid_cross_entropy, softmax_cross_entropy)
      object.__setattr__(self, "loss", by_kind[self.exclusive])
    if not self.exclusive and self.loss in (
      softmax_cross_entropy,
      softmax_focal,
    ):
      raise UserError(
        f"loss: got {self.loss.__name__} with exclusive=False; expected a loss "
        "of each class alone, such as sigmoid_cross_entropy."
      )

  @property
  def objectives(self) -> tuple[Objective, ...]:
    """The loss, to be descended by the one net."""
    return (Objective(NET, self._loss, {"cross_entropy": 1.0}),)

  def predict(
    self, params: Nets, stats: Nets, batch: Batch, key: Array
  ) -> dict[str, Array]:
    """Returns logits (b, k) and the most likely label (b,).

    Of classes that do not exclude one another `label` is bool (b, k): which of
    them have a probability of 0.5 or more.
    """
    logits = self.net.given(params, stats)(batch["image"], train=False)
    if not self.exclusive:
      return {"logits": logits, "label": logits >= 0}
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
