"""Attention within windows of an image, which are shifted in turns (Swin)."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

from vision_jax.core.types import Array
from vision_jax.errors import UserError
from vision_jax.layers.dense import Dense

INIT = nn.initializers.truncated_normal(0.02)


class WindowAttention(nn.Module):
  """Attention within windows of the image, which may be shifted.

  Parameters query, key, value, out: a Dense (d, d) each; positions
  ((2 w - 1)², m), what is added to scores by how far two pixels are apart. An
  image that windows do not fill is padded with zeros, which are attended to, as
  the authors' code has it.

  Attributes:
    heads: number of heads, m; divides the features d.
    window: side of a window in pixels, w.
    shift: pixels by which the windows are moved down and right; an axis that
      one window fills is not shifted.
    dtype: type to compute in; parameters are float32.
  """

  heads: int
  window: int
  shift: int
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(self, x: Array) -> Array:
    """Maps x (b, h, w, d) to the same shape."""
    _, h, w, d = x.shape
    if d % self.heads:
      raise UserError(
        f"Swin: got {d} features and {self.heads} heads; expected a number of "
        "heads that divides the features."
      )
    dense = functools.partial(Dense, d, dtype=self.dtype, kernel_init=INIT)
    size = tuple(-(-n // self.window) * self.window for n in (h, w))
    shifts = tuple(self.shift if n > self.window else 0 for n in size)
    x = jnp.pad(x, ((0, 0), (0, size[0] - h), (0, size[1] - w), (0, 0)))
    x = cut(jnp.roll(x, tuple(-s for s in shifts), (1, 2)), self.window)
    split = lambda y: y.reshape(*y.shape[:-1], self.heads, d // self.heads)
    parts = [split(dense(name=n)(x)) for n in ("query", "key", "value")]
    mask = same_region(size, self.window, shifts)
    y = attend_windows(*parts, self._positions(), mask)
    y = dense(name="out")(y.reshape(x.shape))
    y = jnp.roll(join(y, size, self.window), shifts, (1, 2))
    return y[:, :h, :w]

  def _positions(self) -> Array:
    """Returns what is added to the scores, (m, w², w²)."""
    shape = ((2 * self.window - 1) ** 2, self.heads)
    table = self.param("positions", INIT, shape, jnp.float32)
    return jnp.transpose(table[relative_places(self.window)], (2, 0, 1))


def attend_windows(
  query: Array, key: Array, value: Array, bias: Array, mask: np.ndarray | None
) -> Array:
  """Attends within windows (b, n, l, m, d); softmax in float32.

  Args:
    query, key, value: (b, n, l, m, d), of n windows of l pixels.
    bias: (m, l, l), added to the scores of each window.
    mask: (n, l, l) bool, False where nothing is attended to.
  """
  scores = jnp.einsum("bnqmd,bnlmd->bnmql", query, key)
  scores = scores.astype(jnp.float32) / query.shape[-1] ** 0.5 + bias
  if mask is not None:
    scores = jnp.where(mask[:, None], scores, jnp.finfo(jnp.float32).min)
  weights = jax.nn.softmax(scores, -1).astype(value.dtype)
  return jnp.einsum("bnmql,bnlmd->bnqmd", weights, value)


def cut(x: Array, window: int) -> Array:
  """Cuts x (b, h, w, d) into windows (b, n, window², d), by rows."""
  b, h, w, d = x.shape
  rows, columns = h // window, w // window
  x = x.reshape(b, rows, window, columns, window, d)
  return x.transpose(0, 1, 3, 2, 4, 5).reshape(b, rows * columns, -1, d)


def join(x: Array, size: tuple[int, int], window: int) -> Array:
  """Puts windows (b, n, window², d) together: (b, *size, d)."""
  b, _, _, d = x.shape
  rows, columns = (n // window for n in size)
  x = x.reshape(b, rows, columns, window, window, d)
  return x.transpose(0, 1, 3, 2, 4, 5).reshape(b, *size, d)


def relative_places(window: int) -> np.ndarray:
  """Row of the table for each two pixels of a window, (w², w²) int."""
  at = np.stack(np.indices((window, window))).reshape(2, -1)
  rows, columns = at[:, :, None] - at[:, None, :] + window - 1
  return rows * (2 * window - 1) + columns


def same_region(
  size: tuple[int, int], window: int, shifts: tuple[int, int]
) -> np.ndarray | None:
  """Whether two pixels of a window are neighbours in the image too.

  Where windows were shifted, the last ones hold parts of opposite sides.

  Returns:
    (n, window², window²) bool; None where all are.
  """
  if not any(shifts):
    return None
  rows, columns = (
    np.digitize(np.arange(n), [n - window, n - s]) if s else np.zeros(n, int)
    for n, s in zip(size, shifts, strict=True)
  )
  region = cut((3 * rows[:, None] + columns)[None, ..., None], window)[
    0, ..., 0
  ]
  return region[:, :, None] == region[:, None, :]
