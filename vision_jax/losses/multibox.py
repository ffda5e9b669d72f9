"""SSD's loss: anchors that find a box, and of the others those most wrong.

Liu et al., 2016, https://arxiv.org/abs/1512.02325.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from vision_jax.core.types import Array, Batch, Mean
from vision_jax.losses.dense import joined, wanted_of
from vision_jax.losses.detection import Softmax
from vision_jax.ops.assigners import by_overlap
from vision_jax.ops.box_coders import Offsets

CODER = Offsets((10.0, 5.0))  # of SSD's boxes


@dataclasses.dataclass(frozen=True)
class MultiBoxCriterion:
  """SSD's loss, as torchvision has it.

  Terms: `class`, the cross entropy of the anchors that find a box and of
  `negatives` times as many of an image's others, those of the largest loss; and
  `l1`, smooth, of the offsets of those that find one. Both are divided by the
  anchors that find one.

  Differs from torchvision: an image that none finds a box in counts as one in
  this number and learns from so many anchors, and not from none.

  Attributes:
    weights: term -> weight in the sum.
    high: IoU from which an anchor finds a box; the best anchor of a box does in
      any case.
    negatives: for each that finds one.
  """

  weights: Mapping[str, float] = dataclasses.field(
    default_factory=lambda: {"class": 1.0, "l1": 1.0}
  )
  high: float = 0.5
  negatives: int = 3
  background = True

  def __call__(
    self, outputs: Mapping[str, Any], batch: Batch
  ) -> dict[str, Mean]:
    """Returns the terms of a model's outputs, `offsets` (b, l, 4) too.

    The last of the k + 1 classes of `logits` is "no object".
    """
    anchors = jnp.concatenate(outputs["anchors"])
    options = {"high": self.high, "low": self.high, "best": False, "own": True}
    assign = lambda *boxes: by_overlap(anchors, *boxes, **options)
    wanted = wanted_of(outputs, batch, assign)
    found, logits = wanted.found, joined(outputs["logits"])
    nothing = logits.shape[-1] - 1
    label = jnp.where(found, wanted.label, nothing)
    values, _ = Softmax().loss(logits, label)
    number = jnp.maximum(found.sum(-1), 1)
    others = jnp.where(wanted.counts & ~found, values, -jnp.inf)
    worst = _largest(others, self.negatives * number)
    code = CODER.encode(wanted.boxes, anchors)
    away = _smooth(joined(outputs["offsets"]) - code).sum(-1)
    mean = lambda x, kept: Mean.of(
      jnp.where(kept, x, 0).sum(-1) / number, number * batch["mask"]
    )
    return {
      "class": mean(values, found | worst),
      "l1": mean(away, found),
    }


def _largest(values: Array, number: Array) -> Array:
  """Which of values (b, l) are an image's `number` (b,) largest finite ones."""
  values = jax.lax.stop_gradient(values)
  rank = jnp.argsort(jnp.argsort(-values, axis=-1), axis=-1)
  return (rank < number[:, None]) & jnp.isfinite(values)


def _smooth(x: Array) -> Array:
  """Half the square up to 1, and from there on the absolute value."""
  near = jnp.clip(jnp.abs(x), 0, 1)
  return near * (jnp.abs(x) - near / 2)
