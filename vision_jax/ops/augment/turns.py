"""Quarter turns that make other classes of the images they turn."""

import jax.numpy as jnp

from vision_jax.core.types import Augment
from vision_jax.errors import UserError
from vision_jax.ops.augment.keys import uniforms


def turned_classes(num_classes: int) -> Augment:
  """Turns each image by 0 to 3 quarters at random, and so its class.

  An image of class y that is turned by q quarters, counter-clockwise, has the
  label y + q * num_classes: four times as many classes to tell apart, of which
  what is learned fits new ones better (as Omniglot is used, Santoro et al.,
  2016). Images are square.

  Args:
    num_classes: of the labels.
  """

  def augment(batch, key):
    image = batch["image"]
    if image.shape[1] != image.shape[2]:
      raise UserError(
        f"turned_classes: got images of {image.shape[1:3]}; expected square "
        "ones, which a quarter turn leaves as large."
      )
    quarters = jnp.floor(4 * uniforms(batch, key, 1)[:, 0]).astype(jnp.int32)
    quarters = jnp.minimum(quarters, 3)
    turned = [jnp.rot90(image, q, (1, 2)) for q in range(4)]
    which = quarters[:, None, None, None]
    image = jnp.select([which == q for q in range(4)], turned)
    label = batch["label"] + quarters * num_classes
    return {**batch, "image": image, "label": label}

  return augment
