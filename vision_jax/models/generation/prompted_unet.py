"""A denoiser that is given words: what they say of each place is an image."""

import flax.linen as nn
import jax.numpy as jnp

from vision_jax.core.types import Array
from vision_jax.models.generation.ddpm_unet import DDPMUNet
from vision_jax.models.generation.word_canvas import WordCanvas, check_grid


class PromptedUNet(nn.Module):
  """A U-Net that draws what tokens say, with a text tower trained along.

  What the words say of a place is an image that the U-Net sees beside the noisy
  one. Paths unet, words.

  Attributes:
    unet: the denoiser, without num_classes.
    words: what reads the tokens.
  """

  unet: DDPMUNet
  words: WordCanvas

  @nn.compact
  def __call__(
    self,
    x: Array,
    t: Array | None = None,
    tokens: Array | None = None,
    *,
    train: bool,
    mask: Array | None = None,
  ) -> Array:
    """Maps noisy images x (b, h, w, c) to predictions of that shape, float32.

    Args:
      x: images.
      t: times (b,); what is not given is 0.
      tokens: int (b, l), 0 where a text has ended.
      train: whether dropout drops.
      mask: (b,), not needed: no example sees another.

    Raises:
      UserError: for images that the grid does not divide, or no tokens.
    """
    check_grid(x.shape[1:3], self.words.grid)
    canvas = spread(self.words(tokens, train=train), x.shape[1:3])
    return self.unet(x, t, canvas, train=train, mask=mask)


def spread(x: Array, size: tuple[int, int]) -> Array:
  """Returns a map (b, rows, columns, c) where each place is many pixels."""
  (h, w), (b, rows, columns, c) = size, x.shape
  shape = (b, rows, h // rows, columns, w // columns, c)
  return jnp.broadcast_to(x[:, :, None, :, None], shape).reshape(b, h, w, c)
