"""A denoiser that is given words: a text tower, and places that look at it."""

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.errors import UserError
from vision_jax.layers.attention import Attention
from vision_jax.layers.dense import Dense
from vision_jax.layers.norm import LayerNorm
from vision_jax.models.generation.ddpm_unet import DDPMUNet
from vision_jax.models.text.tower import TextTower


class PromptedUNet(nn.Module):
  """A U-Net that draws what tokens say, with a text tower trained along.

  Each place of a coarse grid over the image attends to the tower's tokens, by a
  learned query of its own, and what it finds there is an image that the U-Net
  sees beside the noisy one: so a word can be bound to a place, and to another
  word, before anything is drawn. Paths text, places, read, norm,
  canvas, unet.

  Attributes:
    unet: the denoiser, without num_classes.
    text: all tokens of a text, `pooled="none"`.
    grid: rows and columns of the places, divisors of the image's.
    features: channels of the image of what the text says.
    dtype: type to compute in; parameters are float32.
  """

  unet: DDPMUNet
  text: TextTower
  grid: tuple[int, int] = (4, 8)
  features: int = 16
  dtype: DTypeLike = jnp.float32

  def setup(self):
    d = self.text.features
    init = nn.initializers.normal(1.0)
    self.places = self.param("places", init, (*self.grid, d), jnp.float32)
    self.read = Attention(self.text.heads, self.dtype)
    self.norm = LayerNorm(dtype=self.dtype)
    self.canvas = Dense(self.features, dtype=self.dtype)

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
    if tokens is None:
      raise UserError("PromptedUNet: got no tokens; expected int (b, l).")
    return self.unet(
      x, t, self._canvas(x, tokens, train), train=train, mask=mask
    )

  def _canvas(self, x: Array, tokens: Array, train: bool) -> Array:
    """Returns what the text says at each pixel, (b, h, w, features)."""
    b, h, w, _ = x.shape
    rows, columns = self.grid
    if h % rows or w % columns:
      raise UserError(
        f"image: got {h} x {w}; expected sides that the grid {rows} x "
        f"{columns} divides."
      )
    words = self.text(tokens, train=train)
    places = self.places.reshape(1, rows * columns, -1).astype(self.dtype)
    places = jnp.broadcast_to(places, (b, *places.shape[1:]))
    found = self.canvas(self.norm(self.read(places, words)))
    found = found.reshape(b, rows, 1, columns, 1, -1)
    shape = (b, rows, h // rows, columns, w // columns, self.features)
    return jnp.broadcast_to(found, shape).reshape(b, h, w, self.features)
