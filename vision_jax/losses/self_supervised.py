"""Losses that need no label: what an image's views have in common."""

import jax.numpy as jnp

from vision_jax.core.types import Array, Mean
from vision_jax.losses.metric import Embedded, supervised_contrastive, unit


def interleaved(first: Array, second: Array) -> Array:
  """Returns rows (2b, ...) of two (b, ...), in turns: shards keep their own."""
  both = jnp.stack([first, second], 1)
  return both.reshape(-1, *first.shape[1:])


def views(vector: Array, index: Array, mask: Array) -> Embedded:
  """Returns an image's two views as the only examples of a class of its own.

  Args:
    vector: (2b, d), of two views of each image in turns.
    index: (b,), of the images.
    mask: (b,).
  """
  label = jnp.repeat(index, 2)
  place = interleaved(2 * index, 2 * index + 1)
  return Embedded(unit(vector), label, place, jnp.repeat(mask, 2))


def nt_xent(own: Embedded, every: Embedded, temperature: float = 0.5) -> Mean:
  """The cross entropy of finding an image's other view among all views.

  Of cosines over a temperature; a view is not compared with itself. It is the
  supervised contrastive loss where each image is a class.

  Args:
    own: a shard's views, as `views` gives them.
    every: those of the batch.
    temperature: > 0.

  Chen et al. (2020), "A Simple Framework for Contrastive Learning", eq. 1.
  """
  return supervised_contrastive(own, every, temperature)
