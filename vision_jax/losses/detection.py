"""Losses of classes and boxes, and what a match costs; elementwise.

Predictions have q queries, the truth n padded boxes; boxes are cxcywh in
[0, 1]. A loss of boxes is (boxes (..., 4), truth (..., 4)) -> (...), with
broadcasting: the same function is the cost of every pair.
"""

import dataclasses
from collections.abc import Callable
from typing import Protocol

import jax
import jax.numpy as jnp

from vision_jax.core.types import Array
from vision_jax.ops.boxes import cxcywh_to_xyxy, generalized_iou, iou

BoxLoss = Callable[[Array, Array], Array]


class ClassLoss(Protocol):
  """How classes are scored, learned and matched.

  Attributes:
    background: whether the logits' last class is "no object".
    quality: how well a box fits, in [0, 1], of those that are matched, where
      `loss` is to know it; None where not.
  """

  background: bool
  quality: BoxLoss | None

  def cost(self, logits: Array) -> Array:
    """Returns what a match costs with each class, (b, q, k)."""

  def loss(
    self, logits: Array, label: Array, *quality: Array
  ) -> tuple[Array, Array]:
    """Returns values and weights (b, q); a label (b, q) of k is no object.

    With `quality` (b, q), if there is such a function.
    """

  def count(self, boxes: Array, queries: int) -> Array:
    """Returns what an image's sum is divided by, (b,), of its boxes (b,)."""


@dataclasses.dataclass(frozen=True)
class Softmax:
  """Cross entropy with a class "no object", as in the paper of DETR.

  The mean over queries is weighted by their classes: Carion et al., 2020,
  https://arxiv.org/abs/2005.12872.

  Attributes:
    no_object: weight of queries that should see nothing.
  """

  no_object: float = 0.1
  background = True
  quality = None

  def cost(self, logits: Array) -> Array:
    """The negative probability."""
    return -jax.nn.softmax(logits.astype(jnp.float32), -1)[..., :-1]

  def loss(self, logits: Array, label: Array) -> tuple[Array, Array]:
    """Values and weights (b, q) of logits (b, q, k + 1), label (b, q)."""
    probs = jax.nn.log_softmax(logits.astype(jnp.float32), -1)
    values = -jnp.take_along_axis(probs, label[..., None], -1)[..., 0]
    nothing = label == logits.shape[-1] - 1
    return values, jnp.where(nothing, self.no_object, 1.0)

  def count(self, boxes: Array, queries: int) -> Array:
    """The sum of the weights."""
    return boxes + self.no_object * (queries - boxes)


@dataclasses.dataclass(frozen=True)
class SigmoidFocal:
  """Focal loss of each class by itself, as in Deformable DETR.

  It is added up and divided by the number of boxes, at least one an image: Lin
  et al., https://arxiv.org/abs/1708.02002, and
  https://arxiv.org/abs/2010.04159.

  Attributes:
    alpha: weight of a class that is there; 1 - alpha of one that is not.
    gamma: power of the probability of error.
  """

  alpha: float = 0.25
  gamma: float = 2.0
  background = False
  quality = None

  def cost(self, logits: Array) -> Array:
    """The difference that a match makes to the loss."""
    positive, negative = self._parts(logits)
    return positive - negative

  def loss(self, logits: Array, label: Array) -> tuple[Array, Array]:
    """Values and weights (b, q) of logits (b, q, k), label (b, q)."""
    present = jax.nn.one_hot(label, logits.shape[-1], dtype=jnp.float32)
    positive, negative = self._parts(logits)
    values = jnp.sum(present * positive + (1 - present) * negative, -1)
    return values, jnp.ones_like(values)

  def count(self, boxes: Array, queries: int) -> Array:
    """The boxes of each image, at least one."""
    return jnp.maximum(boxes, 1)

  def _parts(self, logits: Array) -> tuple[Array, Array]:
    """The loss of each class where it is there, and where it is not."""
    logits = logits.astype(jnp.float32)
    prob, alpha, gamma = jax.nn.sigmoid(logits), self.alpha, self.gamma
    positive = alpha * (1 - prob) ** gamma * jax.nn.softplus(-logits)
    negative = (1 - alpha) * prob**gamma * jax.nn.softplus(logits)
    return positive, negative


@dataclasses.dataclass(frozen=True)
class Varifocal:
  """A class that is there learns how well its box fits, as in RT-DETR.

  Its aim and its weight are the IoU of its box, and classes that are not there
  are focal: Zhang et al., 2021, https://arxiv.org/abs/2008.13367. It is
  matched and counted as `SigmoidFocal` is.

  Attributes:
    alpha: weight of a class that is not there.
    gamma: power of its probability.
  """

  alpha: float = 0.75
  gamma: float = 2.0
  background = False

  def quality(self, boxes: Array, truth: Array) -> Array:
    """The IoU (...) of boxes (..., 4)."""
    return iou(cxcywh_to_xyxy(boxes), cxcywh_to_xyxy(truth))

  def cost(self, logits: Array) -> Array:
    """The difference that a match would make to the focal loss."""
    return SigmoidFocal().cost(logits)

  def loss(
    self, logits: Array, label: Array, quality: Array
  ) -> tuple[Array, Array]:
    """Values and weights (b, q) of logits (b, q, k), label, quality (b, q)."""
    logits = logits.astype(jnp.float32)
    present = jax.nn.one_hot(label, logits.shape[-1], dtype=jnp.float32)
    aim = present * quality[..., None]
    prob = jax.lax.stop_gradient(jax.nn.sigmoid(logits))
    weight = aim + (1 - present) * self.alpha * prob**self.gamma
    values = weight * (jax.nn.softplus(logits) - aim * logits)
    return values.sum(-1), jnp.ones_like(values[..., 0])

  def count(self, boxes: Array, queries: int) -> Array:
    """The boxes of each image, at least one."""
    return SigmoidFocal().count(boxes, queries)


def l1(boxes: Array, truth: Array) -> Array:
  """L1 distance (...) of boxes (..., 4), added over the four numbers."""
  return jnp.abs(boxes - truth).sum(-1)


def giou(boxes: Array, truth: Array) -> Array:
  """1 - GIoU (...) of boxes (..., 4): Rezatofighi et al., 2019."""
  return 1 - generalized_iou(cxcywh_to_xyxy(boxes), cxcywh_to_xyxy(truth))


def labels_of_queries(
  query: Array, label: Array, num_queries: int, num_classes: int
) -> Array:
  """The class that each query should predict, (b, q) int32.

  Args:
    query: (b, n), the query of each box, -1 for none.
    label: (b, n), the boxes' classes.
    num_queries: q.
    num_classes: k, which stands for "no object".
  """
  return of_queries(query, label.astype(jnp.int32), num_queries, num_classes)


def of_queries(
  query: Array, values: Array, num_queries: int, otherwise: float
) -> Array:
  """What each query has of the box that it is matched with, (b, q).

  Args:
    query: (b, n), the query of each box, -1 for none.
    values: (b, n), of the boxes.
    num_queries: q.
    otherwise: of queries without a box.
  """
  b, _ = query.shape
  found = jnp.full((b, num_queries), otherwise, values.dtype)
  place = jnp.where(query < 0, num_queries, query)  # dropped
  return found.at[jnp.arange(b)[:, None], place].set(values, mode="drop")
