"""What a text says of the places of an image: a map, of words."""

from collections.abc import Sequence

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.errors import UserError
from vision_jax.layers.attention import Attention
from vision_jax.layers.dense import Dense
from vision_jax.layers.norm import LayerNorm
from vision_jax.models.text.tower import TextTower


class WordCanvas(nn.Module):
  """A text tower, and places that look at its tokens.

  Each place of a coarse grid over an image attends to the tower's tokens, by a
  learned query of its own: so a word can be bound to a place, and to another
  word, before anything is drawn or judged. Paths text, places, read, norm,
  canvas.

  Attributes:
    text: all tokens of a text, `pooled="none"`.
    grid: rows and columns of the places.
    features: channels of the map.
    dtype: type to compute in; parameters are float32.
  """

  text: TextTower
  grid: Sequence[int] = (4, 8)
  features: int = 16
  dtype: DTypeLike = jnp.float32

  def setup(self):
    d = self.text.features
    init = nn.initializers.normal(1.0)
    self.places = self.param("places", init, (*self.grid, d), jnp.float32)
    self.read = Attention(self.text.heads, self.dtype)
    self.norm = LayerNorm(dtype=self.dtype)
    self.canvas = Dense(self.features, dtype=self.dtype)

  def __call__(self, tokens: Array | None, *, train: bool) -> Array:
    """Maps tokens int (b, l) to what they say, (b, rows, columns, features).

    Raises:
      UserError: if there are none.
    """
    if tokens is None:
      raise UserError("WordCanvas: got no tokens; expected int (b, l).")
    rows, columns = self.grid
    words = self.text(tokens, train=train)
    places = self.places.reshape(1, rows * columns, -1).astype(self.dtype)
    places = jnp.broadcast_to(places, (len(tokens), *places.shape[1:]))
    found = self.canvas(self.norm(self.read(places, words)))
    return found.reshape(-1, rows, columns, self.features)


def check_grid(size: tuple[int, int], grid: Sequence[int]) -> None:
  """Checks that a grid's places divide an image of so many rows and columns.

  Raises:
    UserError: if they do not.
  """
  (h, w), (rows, columns) = size, grid
  if h % rows or w % columns:
    raise UserError(
      f"image: got {h} x {w}; expected sides that the grid {rows} x {columns} "
      "divides."
    )
