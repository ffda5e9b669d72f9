"""Losses of detectors that propose boxes and look at some of them again.

As torchvision has them: https://arxiv.org/abs/1506.01497 and
https://arxiv.org/abs/1703.06870. Of each image anchors and proposals are drawn
at random, by its `index` and the step's key, so many right ones at most.

Differs from torchvision: an image's terms are divided by what was drawn of it,
and the mean is over images, where there it is over all that was drawn. Where as
much is drawn of each image it is the same.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from vision_jax.core.types import Array, Batch, Mean
from vision_jax.losses.dense_assignment import Truth, Wanted, assigned
from vision_jax.ops.assigners import by_overlap
from vision_jax.ops.augment.keys import uniforms
from vision_jax.ops.box_coders import Offsets
from vision_jax.ops.sampling import balanced

CODES = Offsets((10.0, 5.0))  # of the boxes that are looked at
BETA = 1 / 9  # where the loss of boxes becomes a line


@dataclasses.dataclass(frozen=True)
class Draw:
  """Which anchors or proposals of an image are learned from.

  Attributes:
    number: how many of an image.
    positive: the part of them, at most, that find a box.
    high, low, best: what finds a box, as `by_overlap` has it.
  """

  number: int
  positive: float
  high: float
  low: float
  best: bool

  def wanted(self, anchors: Array, batch: Batch, num_classes: int) -> Wanted:
    """Returns what anchors (l, 4), or (b, l, 4), should find."""
    how = {"high": self.high, "low": self.low, "best": self.best}
    assign = functools.partial(by_overlap, **how)
    return assigned(anchors, batch, num_classes, assign)

  def places(
    self, wanted: Wanted, batch: Batch, key: Array
  ) -> tuple[Array, Array]:
    """Returns the places (b, s) of those drawn, and whether they are real."""
    draws = uniforms(batch, key, wanted.found.shape[1])
    how = {"number": self.number, "positive": self.positive}
    return balanced(wanted.found, wanted.counts, draws, **how)

  def most(self, size: int) -> int:
    """Returns how many of the first places may have found a box."""
    return min(int(self.number * self.positive), size)


class Looked(NamedTuple):
  """The boxes that are looked at, and what is to be found in them.

  Attributes:
    boxes: (b, s, 4) xyxy in pixels of the image.
    real: (b, s) bool, whether there is one.
    found: (b, s) bool, whether it finds a box; those come first.
    label: (b, s), the box's class, or k.
    truth: (b, s, 4) xyxy, the box.
    number: (b, s), which of the batch's boxes that is.
  """

  boxes: Array
  real: Array
  found: Array
  label: Array
  truth: Array
  number: Array

  def positive(self, most: int) -> "Looked":
    """Returns those that may have found a box, (b, most, ...)."""
    return Looked(*(x[:, :most] for x in self))


@dataclasses.dataclass(frozen=True)
class TwoStageCriterion:
  """Faster R-CNN's loss, as torchvision has it but for the mean, see above.

  Terms: `objectness` of anchors, cross entropy; `proposal`, smooth L1 of the
  codes of those that find a box; `class`, cross entropy with the background,
  and `box`, smooth L1 again, of the proposals that are looked at, to which the
  true boxes are added.

  Attributes:
    weights: term -> weight in the sum.
    anchors: which anchors are learned from.
    regions: which proposals are looked at.
  """

  weights: Mapping[str, float] = dataclasses.field(
    default_factory=lambda: {
      **{"objectness": 1.0, "proposal": 1.0},
      **{"class": 1.0, "box": 1.0},
    }
  )
  anchors: Draw = Draw(256, 0.5, 0.7, 0.3, best=True)
  regions: Draw = Draw(512, 0.25, 0.5, 0.5, best=False)

  def choose(
    self, batch: Batch, num_classes: int, key: Array
  ) -> Callable[[Any], Looked]:
    """Returns what draws boxes to look at out of those proposed.

    Args:
      batch: as for `Detection`.
      num_classes: k.
      key: of the draw.
    """

    def choose(proposed: Any) -> Looked:
      truth = Truth.of(batch)
      boxes = jnp.concatenate([proposed.boxes, truth.boxes], 1)
      real = jnp.concatenate([proposed.score > 0, truth.real], 1)
      wanted = self.regions.wanted(boxes, batch, num_classes)
      wanted = wanted._replace(
        found=wanted.found & real, counts=wanted.counts & real
      )
      place, drawn = self.regions.places(wanted, batch, key)
      of = lambda x: taken(x, place)
      found = of(wanted.found) & drawn
      label = jnp.where(found, of(wanted.label), num_classes)
      return jax.tree.map(
        jax.lax.stop_gradient,
        Looked(
          *(of(boxes), drawn, found, label),
          *(of(wanted.boxes), of(wanted.number)),
        ),
      )

    return choose

  def __call__(
    self, outputs: Mapping[str, Any], batch: Batch, key: Array
  ) -> dict[str, Mean]:
    """Returns the terms of a model's outputs, whose `regions` are `Looked`."""
    joined = lambda name, along: jnp.concatenate(outputs[name], along)
    anchors, objectness = joined("anchors", 0), joined("objectness", 1)
    wanted = self.anchors.wanted(anchors, batch, 1)
    place, drawn = self.anchors.places(wanted, batch, key)
    of = lambda x: taken(x, place)
    found = of(wanted.found) & drawn
    logits, mask = of(objectness), batch["mask"]
    code = Offsets().encode(of(wanted.boxes), anchors[place])
    away = smooth_l1(of(joined("offsets", 1)), code)
    count = drawn.sum(-1)
    regions = outputs["regions"]
    each = regions.real.sum(-1)
    return {
      "objectness": share(
        jax.nn.softplus(logits) - logits * found, drawn, count, mask
      ),
      "proposal": share(away, found, count, mask),
      "class": share(
        _cross_entropy(outputs["logits"], regions.label),
        *(regions.real, each, mask),
      ),
      "box": share(
        _box_loss(outputs["codes"], regions), regions.found, each, mask
      ),
    }


def share(values: Array, counts: Array, number: Array, mask: Array) -> Mean:
  """The mean over images of their own means.

  Args:
    values: (b, s).
    counts: (b, s) bool, which count.
    number: (b,), what an image's sum is divided by, at least by one.
    mask: (b,), which images count.
  """
  total = jnp.where(counts, values, 0).sum(-1)
  return Mean.of(total / jnp.maximum(number, 1), mask)


def taken(x: Array, place: Array) -> Array:
  """Returns the values (b, s, ...) of x (b, l, ...) at places (b, s)."""
  return jax.vmap(lambda x, i: x[i])(x, place)


def smooth_l1(found: Array, truth: Array) -> Array:
  """Fast R-CNN's loss (...) of codes (..., 4), added over the four numbers."""
  error = jnp.abs(found - truth)
  small = jnp.minimum(error, BETA)
  return (small * (error - 0.5 * small) / BETA).sum(-1)


def _cross_entropy(logits: Array, label: Array) -> Array:
  probs = jax.nn.log_softmax(logits, -1)
  return -jnp.take_along_axis(probs, label[..., None], -1)[..., 0]


def _box_loss(codes: Array, regions: Looked) -> Array:
  """Smooth L1 (b, s) of the code of each box's own class."""
  label = regions.label[..., None, None]
  code = jnp.take_along_axis(codes, label, 2)[..., 0, :]
  unit = jnp.array([0.0, 0.0, 1.0, 1.0], jnp.float32)
  boxes = jnp.where(regions.real[..., None], regions.boxes, unit)
  truth = jnp.where(regions.found[..., None], regions.truth, boxes)
  return smooth_l1(code, CODES.encode(truth, boxes))
