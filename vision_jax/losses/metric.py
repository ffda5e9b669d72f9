"""Losses that compare the examples of a batch: an embedding's.

Each takes a shard's own examples and every one of the batch, and returns the
`Mean` of its own; what counts follows from labels and mask alone. Vectors are
of length 1, and a distance is that of two points of the sphere.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from vision_jax.core.types import Array, Mean
from vision_jax.ops.extremes import largest

_TINY = 1e-12  # below it a distance's derivative is not finite
FAR = 1e9  # more than any distance, less than any logit when negative


class Embedded(NamedTuple):
  """Examples of a batch and where a net puts them."""

  vector: Array  # (b, d), of length 1
  label: Array  # (b,) int
  index: Array  # (b,), no two alike
  mask: Array  # (b,), 1 where the example counts


def unit(x: Array) -> Array:
  """Returns vectors (..., d) with length 1; of zeros they stay zeros."""
  square = jnp.sum(jnp.square(x), -1, keepdims=True)
  return x * jax.lax.rsqrt(jnp.maximum(square, _TINY))


def batch_hard(own: Embedded, every: Embedded, margin: float = 0.0) -> Mean:
  """Each example's farthest of its class against the nearest of another.

  Args:
    own: the anchors; those count that have both in the batch.
    every: what they are compared with.
    margin: the nearest of another class is to be farther by so much; 0 is the
      soft margin, log(1 + exp(.)).

  Hermans et al. (2017), "In Defense of the Triplet Loss".
  """
  positive, negative = _pairs(own, every)
  distance = jnp.sqrt(jnp.maximum(_squared(own, every), _TINY))
  far = largest(jnp.where(positive, distance, -FAR), 1)
  near = -largest(jnp.where(negative, -distance, -FAR), 1)
  both = positive.any(1) & negative.any(1)
  gap = jnp.where(both, far - near, 0.0)
  values = jax.nn.relu(gap + margin) if margin else jax.nn.softplus(gap)
  return Mean.of(values, both.astype(jnp.float32))


def semi_hard(own: Embedded, every: Embedded, margin: float = 0.2) -> Mean:
  """Every pair of a class against one example of another class.

  That is the nearest which is farther than the pair's other; where there is no
  such, the farthest. Distances are squared.

  Args:
    own: the anchors; each of their pairs counts.
    every: what they are compared with.
    margin: it is to be farther by so much.

  Schroff et al. (2015), "FaceNet".
  """
  positive, negative = _pairs(own, every)
  distance = _squared(own, every)
  others = jnp.sort(jnp.where(negative, distance, FAR), 1)
  count = negative.sum(1, keepdims=True)
  search = jax.vmap(lambda row, x: jnp.searchsorted(row, x, side="right"))
  place = jax.lax.stop_gradient(search(others, distance))
  place = jnp.clip(place, 0, jnp.maximum(count - 1, 0))
  chosen = jnp.take_along_axis(others, place, 1)
  pairs = positive & (count > 0)
  values = jax.nn.relu(jnp.where(pairs, distance - chosen + margin, 0.0))
  weights = pairs.astype(jnp.float32)
  return Mean(jnp.sum(values * weights), jnp.sum(weights))


def supervised_contrastive(
  own: Embedded, every: Embedded, temperature: float = 0.1
) -> Mean:
  """The cross entropy of finding those of the class among all others.

  Of each example the mean over the others of its class; one that is alone in
  its class does not count.

  Khosla et al. (2020), "Supervised Contrastive Learning", L_out.
  """
  positive, negative = _pairs(own, every)
  logits = _cosine(own, every) / temperature
  others = jnp.where(positive | negative, logits, -FAR)
  log_prob = logits - jax.nn.logsumexp(others, 1, keepdims=True)
  count = positive.sum(1)
  found = jnp.sum(jnp.where(positive, log_prob, 0.0), 1)
  values = -found / jnp.maximum(count, 1)
  return Mean.of(values, (count > 0).astype(jnp.float32))


def prototypical(own: Embedded, every: Embedded, shots: int = 5) -> Mean:
  """Cross entropy of a class by how near its prototype is: an episode.

  The first `shots` of a class, by `index`, are its support, whose mean is the
  prototype; the others are queries. Logits are minus squared distances.

  Args:
    own: of which the queries count.
    every: the examples of the episode.
    shots: a class's examples that its prototype is made of.

  Snell et al. (2017), "Prototypical Networks for Few-shot Learning".
  """
  alike = every.label[:, None] == every.label[None]
  rank = _rank(every, every)
  support = (rank < shots) & (every.mask > 0)
  share = jnp.where(alike & support[None], 1.0, 0.0)
  share /= jnp.maximum(share.sum(1, keepdims=True), 1.0)
  # Of each example's class.
  prototypes = jnp.matmul(share, every.vector, precision="highest")
  first = (rank == 0) & (every.mask > 0)  # a column for each class
  own_class = own.label[:, None] == every.label[None]
  product = jnp.matmul(own.vector, prototypes.T, precision="highest")
  square = jnp.sum(jnp.square(prototypes), -1) - 2 * product  # and |vector|^2
  logits = jnp.where(first[None], -square, -FAR)
  log_prob = jax.nn.log_softmax(logits, 1)
  values = -jnp.sum(jnp.where(own_class & first[None], log_prob, 0.0), 1)
  query = (own.mask > 0) & (_rank(own, every) >= shots)
  return Mean.of(values, query.astype(jnp.float32))


def arcface(
  cosine: Array, label: Array, *, margin: float = 0.5, scale: float = 64.0
) -> Array:
  """Returns the cross entropy (b,) with a margin on the class's own angle.

  Args:
    cosine: (b, k), of a vector and each class's centre.
    label: (b,) int.
    margin: radians that are added to the angle to the class's centre. Beyond
      pi, where its cosine would rise again, it falls on in a line.
    scale: of the cosines, as logits.

  Deng et al. (2019), "ArcFace".
  """
  own = jnp.take_along_axis(cosine, label[:, None], 1)
  sine = jnp.sqrt(jnp.maximum(1 - jnp.square(own), 1e-7))
  turned = own * jnp.cos(margin) - sine * jnp.sin(margin)
  beyond = own <= -jnp.cos(margin)
  turned = jnp.where(beyond, own - margin * jnp.sin(margin), turned)
  is_own = jax.nn.one_hot(label, cosine.shape[1], dtype=bool)
  logits = scale * jnp.where(is_own, turned, cosine)
  return -jnp.sum(jnp.where(is_own, jax.nn.log_softmax(logits), 0.0), 1)


def _cosine(own: Embedded, every: Embedded) -> Array:
  """Returns cosines (b, n) in float32, on any accelerator."""
  return jnp.matmul(own.vector, every.vector.T, precision="highest")


def _squared(own: Embedded, every: Embedded) -> Array:
  return jnp.maximum(2 - 2 * _cosine(own, every), 0.0)


def _pairs(own: Embedded, every: Embedded) -> tuple[Array, Array]:
  """Returns which (b, n) are two of one class, and which of two classes."""
  real = (own.mask[:, None] > 0) & (every.mask[None] > 0)
  alike = own.label[:, None] == every.label[None]
  other = own.index[:, None] != every.index[None]
  return real & alike & other, real & ~alike


def _rank(own: Embedded, every: Embedded) -> Array:
  """Returns how many (b,) of an example's class come before it."""
  before = every.index[None] < own.index[:, None]
  alike = own.label[:, None] == every.label[None]
  return jnp.sum(before & alike & (every.mask[None] > 0), 1)
