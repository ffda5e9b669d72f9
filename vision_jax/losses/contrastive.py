"""The contrastive loss of images and texts: CLIP's, and CoCa's."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from vision_jax.core.types import Array, Mean
from vision_jax.losses.metric import FAR


class Pairs(NamedTuple):
  """Examples of a batch: images with their captions."""

  image: Array  # (b, e), of length 1
  text: Array  # (b, e), of length 1
  caption: Array  # (b, n) int, by which equal captions are known
  mask: Array  # (b,), 1 where the example counts


def contrastive(own: Pairs, every: Pairs, scale: Array) -> Mean:
  """Cross entropy of finding the caption of an image, and the other way.

  The mean of both ways, of each example. Logits are cosines times `scale`.
  Where another example has the same caption, word for word, neither it nor its
  image is one of the wrong ones: they are right as well.

  Args:
    own: a shard's examples.
    every: those of the whole batch.
    scale: (), one over the temperature.

  Radford et al. (2021), "Learning Transferable Visual Models From Natural
  Language Supervision"; where all captions differ.
  """
  alike = (own.caption[:, None] == every.caption[None]).all(-1)
  wrong = (every.mask[None] > 0) & ~alike
  pair = scale * jnp.sum(own.image * own.text, -1, keepdims=True)

  def values(asks: Array, lies: Array) -> Array:
    logits = scale * jnp.matmul(asks, lies.T, precision="highest")
    others = jnp.where(wrong, logits, -FAR)
    both = jnp.concatenate([pair, others], axis=1)
    return jax.nn.logsumexp(both, 1) - pair[:, 0]

  to_text = values(own.image, every.text)
  to_image = values(own.text, every.image)
  return Mean.of((to_text + to_image) / 2, own.mask)
