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
  Output,
  Terms,
)
from vision_jax.errors import UserError
from vision_jax.losses.class_weights import check_class_weights
from vision_jax.losses.classification import (
  sigmoid_cross_entropy,
  softmax_cross_entropy,
  softmax_focal,
)
from vision_jax.ops.views import Views
from vision_jax.tasks.net import NET, OneNet, heads


@dataclasses.dataclass(frozen=True)
class Classification(OneNet):
  """One label for each image, or any number of them.

  A batch has `image` (b, h, w, c) and `label`, int (b,) or, after MixUp, a
  distribution (b, k); for several labels an image indicators (b, k). Clips
  (b, t, h, w, c) are images too, where the model takes them.

  Attributes:
    model: (image, *, train, mask) -> logits (b, k); in training also {"logits":
      (b, k), ...}, of which the others are auxiliary heads', as GoogLeNet's.
    loss: gives the loss of each example; None is cross entropy, by a softmax of
      classes that exclude one another, else by a sigmoid of each.
    class_weights: (k,) weights of the classes in the loss's mean, or None.
    exclusive: whether an image has one class; else each has a probability of
      its own.
    auxiliary: weight of each auxiliary head's loss, where the model has some
      (0.3 in GoogLeNet's paper); their sum is the term "auxiliary".
    sees: key of the batch that the model is given, such as joints.
  """

  model: nn.Module
  loss: Loss | None = None
  class_weights: Sequence[float] | None = None
  exclusive: bool = True
  auxiliary: float = 0.0
  sees: str = "image"

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
    weights = {"cross_entropy": 1.0}
    if self.auxiliary:
      weights["auxiliary"] = self.auxiliary
    return (Objective(NET, self._loss, weights),)

  def predict(
    self, params: Nets, stats: Nets, batch: Batch, key: Array
  ) -> dict[str, Array]:
    """Returns logits (b, k) and the most likely label (b,).

    Of classes that do not exclude one another `label` is bool (b, k): which of
    them have a probability of 0.5 or more.
    """
    net = self.net.given(params, stats)
    return self._labelled(net(batch[self.sees], train=False))

  def seen(self, views: Views) -> Output:
    """Returns an output as `predict`, of logits averaged over views."""

    def output(params, stats, batch, key):
      net = self.net.given(params, stats)
      every = [net(x, train=False) for x, _ in views.of(batch[self.sees])]
      return self._labelled(sum(every) / len(every))

    return output

  def _labelled(self, logits: Array) -> dict[str, Array]:
    if not self.exclusive:
      return {"logits": logits, "label": logits >= 0}
    return {"logits": logits, "label": jnp.argmax(logits, -1)}

  def _loss(self, params, stats, batch, key, *, step, train) -> Terms:
    out, stats = self.net.run(
      *(params, stats, batch[self.sees]),
      key=key,
      train=train,
      mask=batch["mask"],
    )
    logits, *others = heads(out, train, self.auxiliary)
    check_class_weights(self.class_weights, logits.shape[-1])
    label = batch["label"]
    weights = batch["mask"] * self._weights(label)
    terms = {"cross_entropy": Mean.of(self.loss(logits, label), weights)}
    if others:
      values = sum(self.loss(other, label) for other in others)
      terms["auxiliary"] = Mean.of(values, weights)
    return terms, stats

  def _weights(self, label: Array) -> Array | float:
    if self.class_weights is None:
      return 1.0
    weights = jnp.asarray(self.class_weights, jnp.float32)
    if jnp.issubdtype(label.dtype, jnp.integer):
      return weights[label]
    return label @ weights
