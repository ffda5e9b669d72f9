"""Augmentations after one another."""

import jax

from vision_jax.core.types import Augment


def sequence(*augments: Augment) -> Augment:
  """Applies each in turn, with a key of its own."""

  def augment(batch, key):
    for number, step in enumerate(augments):
      batch = step(batch, jax.random.fold_in(key, number))
    return batch

  return augment
