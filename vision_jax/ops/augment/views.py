"""An image seen twice, each time augmented anew."""

import jax

from vision_jax.core.types import Augment


def two_views(augment: Augment) -> Augment:
  """Gives a batch two views of each image, `image` and `view`.

  Args:
    augment: draws each, with a key of its own.
  """

  def both(batch, key):
    first, second = (
      augment(batch, jax.random.fold_in(key, number))["image"]
      for number in range(2)
    )
    return {**batch, "image": first, "view": second}

  return both
