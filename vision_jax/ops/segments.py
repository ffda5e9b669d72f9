"""Segments of an image: objects of things, and stuff by class.

Kirillov et al., 2019, https://arxiv.org/abs/1801.00868.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp

from vision_jax.core.types import Array
from vision_jax.ops.local import per_image
from vision_jax.ops.object_masks import numbered


class Segments(NamedTuple):
  """Segments of images, n of each at most.

  Attributes:
    masks: (b, n, h, w) float32, 1 where a segment is.
    label: (b, n) int32.
    there: (b, n) float32, 0 for padding.
    objects: (b,) int32, how many objects of things there were.
  """

  masks: Array
  label: Array
  there: Array
  objects: Array


def segments_of(
  target: Array,
  instances: Array,
  num_classes: int,
  things: Sequence[int],
  count: int,
) -> Segments:
  """Returns the segments of maps: `count` objects, then the classes of stuff.

  Args:
    target: (b, h, w) classes; any other value is of no segment.
    instances: (b, h, w) numbers of objects, below 2^16, 0 for none; those of
      pixels that are no thing do not count.
    num_classes: k.
    things: the classes whose objects are told apart.
    count: the most objects of an image; those beyond it are of no segment.
  """
  target = target.astype(jnp.int32)
  own, objects = numbered(
    jnp.where(_among(target, things), instances, 0), count
  )
  places = jnp.arange(1, count + 1)[:, None, None]
  stuff = jnp.array(
    [k for k in range(num_classes) if k not in things], jnp.int32
  )
  masks = [
    own[:, None] == places,
    target[:, None] == stuff[:, None, None],
  ]
  label = jnp.where(masks[0], target[:, None], 0).max((2, 3))
  fixed = jnp.broadcast_to(stuff, (len(target), len(stuff)))
  masks = jnp.concatenate(masks, 1)
  return Segments(
    masks.astype(jnp.float32),
    jnp.concatenate([label, fixed], 1),
    masks.any((2, 3)).astype(jnp.float32),
    objects,
  )


def enlarged(masks: Array, size: tuple[int, int]) -> Array:
  """Interpolates masks (b, q, h', w') to (b, q, *size)."""
  shape = (*masks.shape[:2], *size)
  return jax.image.resize(masks, shape, "bilinear", antialias=False)


def semantic_map(logits: Array, masks: Array) -> Array:
  """Returns the class of each pixel by the masks of queries, (b, h, w) int32.

  Args:
    logits: (b, q, k + 1), the last one "no object".
    masks: (b, q, h, w), logits.
  """
  probs = jax.nn.softmax(logits, -1)[..., :-1]
  scores = jnp.einsum("bqk,bqhw->bhwk", probs, jax.nn.sigmoid(masks))
  return jnp.argmax(scores, -1).astype(jnp.int32)


def panoptic_map(
  logits: Array,
  masks: Array,
  things: Sequence[int],
  *,
  sure: float = 0.8,
  whole: float = 0.8,
) -> Array:
  """Gives each pixel to one query: its class and number, (b, h, w, 2) int32.

  A pixel is of the query with the largest product of score and mask. Pixels of
  no segment have the class k and the number 0, and so has stuff's number; that
  of a thing is its query's place, from 1 on.

  Args:
    logits: (b, q, k + 1), the last one "no object".
    masks: (b, q, h, w), logits.
    things: the classes whose objects are told apart.
    sure: score above which a query counts.
    whole: part of a mask's pixels that a query has to get, to be a segment.
  """
  k = logits.shape[-1] - 1

  def one(logits: Array, masks: Array) -> Array:
    probs = jax.nn.softmax(logits, -1)
    score, label = probs.max(-1), jnp.argmax(probs, -1).astype(jnp.int32)
    masks = jax.nn.sigmoid(masks)
    kept, inside = (label < k) & (score > sure), masks >= 0.5
    spread = lambda x: x[:, None, None]
    weight = jnp.where(spread(kept), spread(score) * masks, -1)
    best = jnp.argmax(weight, 0).astype(jnp.int32)
    own = best == spread(jnp.arange(len(label)))
    enough = own.sum((1, 2)) >= whole * inside.sum((1, 2))
    mine = (own & inside & spread(kept & enough)).any(0)
    found = jnp.where(mine, label[best], k)
    number = jnp.where(_among(found, things), best + 1, 0)
    return jnp.stack([found, number], -1)

  return per_image(jax.vmap(one))(logits, masks)


def _among(label: Array, things: Sequence[int]) -> Array:
  """Whether labels are some of the classes."""
  return jnp.isin(label, jnp.array(tuple(things), jnp.int32))
