"""Large images through a network in windows that overlap."""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from vision_jax.core.types import Array
from vision_jax.errors import UserError
from vision_jax.ops.shapes import check_shape

_BLENDS = ("mean", "smooth")


@dataclasses.dataclass(frozen=True)
class Tiles:
  """Windows on a grid; where they overlap their results are averaged.

  Two uses: sliding windows of a network that keeps its window's size (margin
  0), and the overlap-tile strategy of a network that takes `margin` pixels off
  each side (Ronneberger et al., 2015, figure 2). What a window needs beyond the
  image is mirrored.

  The result equals that of the whole image where windows start at multiples of
  the network's total stride (`step`), and, with margin 0, where `trim` is the
  receptive field's radius at least; there, away from the image's border.

  Attributes:
    window: (h, w) that goes into the network.
    step: (h, w) between windows' starts.
    margin: pixels that the network takes off each side.
    trim: pixels along the sides of a window's result that do not count, except
      on the image's border.
    blend: "mean", or "smooth", weights that fall towards a window's sides.
  """

  window: tuple[int, int]
  step: tuple[int, int]
  margin: int = 0
  trim: int = 0
  blend: str = "mean"

  def __post_init__(self):
    if self.blend not in _BLENDS:
      raise UserError(
        f"Tiles: got blend={self.blend!r}; expected one of {_BLENDS}."
      )
    if self.margin < 0 or self.trim < 0:
      raise UserError(
        f"Tiles: got margin={self.margin}, trim={self.trim}; expected >= 0."
      )
    for window, step in zip(self.window, self.step, strict=True):
      counted = window - 2 * (self.margin + self.trim)
      if not 0 < step <= counted:
        raise UserError(
          f"Tiles: got step {step} for a window of {window} of which "
          f"{counted} pixels count; expected 1 to {counted}, or gaps remain."
        )

  def __call__(self, fn: Callable[[Array], Array], image: Array) -> Array:
    """Returns fn's results on `image` (b, h, w, c), put together.

    Args:
      fn: (b, *window, c) -> (b, h', w', k), h' = window - 2 margin.
      image: an image of any size.

    Returns:
      (b, h, w, k), float32.
    """
    _, h, w, _ = check_shape("image", image, "b h w c")
    rows, columns = self.axes(h, w)
    padded = mirror_pad(
      image,
      [
        (self.margin, axis.padded - self.margin - n)
        for axis, n in ((rows, h), (columns, w))
      ],
    )
    total = self._add_up(fn, padded, rows, columns)
    weight = np.outer(rows.total(), columns.total())[None, :, :, None]
    return (total / weight)[:, :h, :w]

  def axes(self, h: int, w: int) -> tuple["_Axis", "_Axis"]:
    """Returns the windows of an image along both axes.

    Each has `starts` (t,), `weights` (t, size), and `total()`, their sum.
    """
    return self._axis(h, 0), self._axis(w, 1)

  def _add_up(self, fn, image, rows, columns):
    starts = np.array([(y, x) for y in rows.starts for x in columns.starts])
    weights = np.stack(
      [np.outer(u, v) for u in rows.weights for v in columns.weights]
    )[..., None].astype(np.float32)

    def window(start):
      part = jax.lax.dynamic_slice(
        image,
        (0, start[0], start[1], 0),
        (image.shape[0], *self.window, image.shape[-1]),
      )
      return fn(part).astype(jnp.float32)

    def add(total, item):
      start, weight = item
      place = (0, start[0], start[1], 0)
      result = window(start) * weight
      old = jax.lax.dynamic_slice(total, place, result.shape)
      return jax.lax.dynamic_update_slice(total, old + result, place), None

    b, *out, k = jax.eval_shape(window, starts[0]).shape
    expected = [n - 2 * self.margin for n in self.window]
    if out != expected:
      raise UserError(
        f"Tiles: a window of {self.window} gave {tuple(out)}; expected "
        f"{tuple(expected)}, as margin={self.margin} says."
      )
    total = jnp.zeros((b, rows.covered, columns.covered, k), jnp.float32)
    return jax.lax.scan(add, total, (starts, weights))[0]

  def _axis(self, size: int, axis: int) -> "_Axis":
    out = self.window[axis] - 2 * self.margin
    # What a window's trimmed sides hide, its neighbours have to show.
    step, hidden = self.step[axis], max(size - out, 0)
    number = -(-hidden // step) + 1
    weights = np.stack([self._weights(out, i, number) for i in range(number)])
    return _Axis(np.arange(number) * step, weights, self.margin)

  def _weights(self, size: int, number: int, of: int) -> np.ndarray:
    place = np.arange(size) + 0.5
    weight = np.ones(size)
    if self.blend == "smooth":
      weight = np.minimum(place, size - place) / size * 2
    if number > 0:
      weight[: self.trim] = 0
    if number < of - 1:
      weight[size - self.trim :] = 0
    return weight


@dataclasses.dataclass(frozen=True)
class _Axis:
  """Windows along one axis: starts (t,), weights (t, size), margin."""

  starts: np.ndarray
  weights: np.ndarray
  margin: int

  @property
  def covered(self) -> int:
    return int(self.starts[-1]) + self.weights.shape[1]

  @property
  def padded(self) -> int:
    return self.covered + 2 * self.margin

  def total(self) -> np.ndarray:
    """Returns the sum of the weights at each place, float32."""
    total = np.zeros(self.covered)
    for start, weight in zip(self.starts, self.weights, strict=True):
      total[start : start + len(weight)] += weight
    return total.astype(np.float32)


def mirror_pad(image: Array, around: list[tuple[int, int]]) -> Array:
  """Mirrors `image` (b, h, w, c) at its border's centre.

  Args:
    image: the images.
    around: ((above, below), (left, right)) pixels; may exceed the image.
  """
  return jnp.pad(image, ((0, 0), *around, (0, 0)), mode="reflect")
