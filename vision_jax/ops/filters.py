"""Filters of before learning: what smooths, what sharpens, what finds edges.

Functions of images (b, h, w, c), each channel by itself, in float32 at least.
They correlate, as layers and as `scipy.ndimage.correlate` do: a kernel is not
turned round. Borders have scipy's names: "reflect" repeats the last pixel (d c
b a | a b c d), "mirror" does not (d c b | a b c d; OpenCV's default), "nearest"
goes on with the last pixel, "constant" with zeros, "wrap" at the other side.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from vision_jax.core.types import Array
from vision_jax.errors import UserError

BORDERS = {  # scipy's names -> numpy's
  "reflect": "symmetric",
  "mirror": "reflect",
  "nearest": "edge",
  "constant": "constant",
  "wrap": "wrap",
}
# Where an image is brighter for a compass's response to be large, clockwise.
DIRECTIONS = ("n", "ne", "e", "se", "s", "sw", "w", "nw")
# A 3x3 kernel's middle, and what is around it, clockwise from the upper left.
COMPASSES = {
  "kirsch": (0, (5, 5, 5, -3, -3, -3, -3, -3)),
  "prewitt": (-2, (1, 1, 1, 1, -1, -1, -1, 1)),
  "robinson": (0, (1, 2, 1, 0, -1, -2, -1, 0)),
}
_RING = ((0, 0, 0, 1, 2, 2, 2, 1), (0, 1, 2, 2, 2, 1, 0, 0))
_DERIVATIVE, _SMOOTH = (-1.0, 0.0, 1.0), (1.0, 2.0, 1.0)


def correlate(
  x: Array, kernel: np.typing.ArrayLike, border: str = "reflect"
) -> Array:
  """Correlates x (b, h, w, c) with one kernel (k, l) of numbers.

  A sum of shifted images, which XLA makes one loop of, exact in float32 on any
  device. Of an even side the middle is that after the half.

  Raises:
    UserError: if the kernel is no table, or there is no such border.
  """
  kernel = np.asarray(kernel, np.float64)
  if kernel.ndim != 2 or border not in BORDERS:
    raise UserError(
      f"correlate: got a kernel {kernel.shape} and border={border!r}; expected "
      f"(k, l), and one of {', '.join(BORDERS)}."
    )
  x = jnp.asarray(x)
  x = x.astype(jnp.promote_types(x.dtype, jnp.float32))
  _, h, w, _ = x.shape
  pads = [(n // 2, n - 1 - n // 2) for n in kernel.shape]
  if any(map(any, pads)):
    x = jnp.pad(x, ((0, 0), *pads, (0, 0)), mode=BORDERS[border])
  terms = [
    x[:, i : i + h, j : j + w] * float(kernel[i, j])
    for i, j in np.argwhere(kernel)
  ]
  return sum(terms[1:], terms[0]) if terms else jnp.zeros_like(x[:, :h, :w])


def identity(x: Array) -> Array:
  """Returns x (b, h, w, c): the kernel of a single 1 in its middle."""
  return correlate(x, [[0, 0, 0], [0, 1, 0], [0, 0, 0]])


def shift(x: Array, rows: int, columns: int, border: str = "constant") -> Array:
  """Moves x (b, h, w, c) down and to the right, by a kernel of a single 1."""
  kernel = np.zeros((2 * abs(rows) + 1, 2 * abs(columns) + 1))
  kernel[abs(rows) - rows, abs(columns) - columns] = 1
  return correlate(x, kernel, border)


def gaussian(
  x: Array, sigma: float, border: str = "reflect", truncate: float = 4.0
) -> Array:
  """Smooths x (b, h, w, c), as `scipy.ndimage.gaussian_filter`.

  Args:
    x: images.
    sigma: standard deviation in pixels; 0 leaves x as it is.
    border: what is beyond the image, see BORDERS.
    truncate: standard deviations that the kernel reaches to each side.

  Raises:
    UserError: if sigma is negative.
  """
  if not 0 <= sigma < np.inf:
    raise UserError(f"gaussian: got sigma={sigma}; expected pixels >= 0.")
  reach = int(truncate * sigma + 0.5)
  weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / (sigma or 1)) ** 2)
  weights /= weights.sum()
  return correlate(
    correlate(x, weights[:, None], border), weights[None], border
  )


def unsharp_mask(x: Array, sigma: float = 1.0, amount: float = 1.0) -> Array:
  """Adds to x in [0, 1] what smoothing takes from it, clipped to [0, 1].

  As `skimage.filters.unsharp_mask`, whose radius is `sigma`.
  """
  return jnp.clip(x + amount * (x - gaussian(x, sigma)), 0, 1)


def sobel_gradients(x: Array, border: str = "reflect") -> tuple[Array, Array]:
  """Returns d/dy and d/dx of x (b, h, w, c), times 8 for pixels of side 1.

  As `scipy.ndimage.sobel`, and OpenCV's with border "mirror".
  """
  kernel = np.outer(_DERIVATIVE, _SMOOTH)
  return correlate(x, kernel, border), correlate(x, kernel.T, border)


def sobel(x: Array) -> Array:
  """Strength of the edges of x (b, h, w, c), in [0, 1] for x in [0, 1].

  As `skimage.filters.sobel`: the root of the mean of both squared derivatives,
  of which a step of 1 gives 1.
  """
  dy, dx = sobel_gradients(x)
  return jnp.hypot(dy / 4, dx / 4) / np.sqrt(2)


def compass_kernels(kind: str) -> np.ndarray:
  """Returns the kernels (8, 3, 3) of DIRECTIONS, of "kirsch" and others.

  Raises:
    UserError: if COMPASSES has no such kind.
  """
  if kind not in COMPASSES:
    raise UserError(
      f"compass: got {kind!r}; expected one of {', '.join(COMPASSES)}."
    )
  middle, ring = COMPASSES[kind]
  kernels = np.full((len(DIRECTIONS), 3, 3), float(middle))
  for turn, kernel in enumerate(kernels):
    kernel[_RING] = np.roll(ring, turn)
  return kernels


def compass(x: Array, kind: str = "kirsch", border: str = "reflect") -> Array:
  """Responses of x (b, h, w, c) to eight directions: (b, h, w, c, 8).

  Kirsch (1971): the largest is the edge's strength, and its place in DIRECTIONS
  where it is brighter. "prewitt" and "robinson" are the other usual masks.
  """
  found = [correlate(x, kernel, border) for kernel in compass_kernels(kind)]
  return jnp.stack(found, -1)


def canny(
  x: Array, sigma: float = 1.0, low: float = 0.1, high: float = 0.2
) -> Array:
  """Edges of x (b, h, w, c) in [0, 1], one pixel wide: bool.

  Canny (1986), as `skimage.feature.canny`: pixels beyond the border do not
  count, and the outermost are no edges.

  Args:
    x: images; each channel has edges of its own.
    sigma: of the smoothing before.
    low: least strength, of `sobel_gradients`, of an edge's pixels.
    high: strength that one of an edge's pixels has at least.
  """
  smooth = gaussian(x, sigma, "constant")
  inside = gaussian(jnp.ones_like(smooth[:1, :, :, :1]), sigma, "constant")
  smooth = smooth / (inside + jnp.finfo(smooth.dtype).eps)
  dy, dx = sobel_gradients(smooth)
  strength = jnp.hypot(dy, dx)
  thin = _is_peak(strength, dy, dx) & _is_inner(strength.shape)
  return hysteresis(jnp.where(thin, strength, 0), low, high)


def hysteresis(strength: Array, low: float, high: float) -> Array:
  """Pixels of at least `low` > 0 that are joined to one of `high`: bool.

  Pixels (b, h, w, c) are joined to all eight neighbours. Takes as many turns as
  the longest way is long.
  """
  weak = (strength >= low) & (strength > 0)

  def grow(state):
    found, _ = state
    wider = weak & _any_near(found)
    return wider, jnp.any(wider != found)

  first = (weak & (strength >= high), jnp.any(weak))
  return jax.lax.while_loop(lambda state: state[1], grow, first)[0]


def _any_near(found: Array) -> Array:
  """Whether a pixel or one of its eight neighbours is True."""
  _, h, w, _ = found.shape
  rows = jnp.pad(found, ((0, 0), (1, 1), (0, 0), (0, 0)))
  rows = rows[:, :h] | rows[:, 1 : h + 1] | rows[:, 2:]
  both = jnp.pad(rows, ((0, 0), (0, 0), (1, 1), (0, 0)))
  return both[:, :, :w] | both[:, :, 1 : w + 1] | both[:, :, 2:]


def _is_peak(m: Array, dy: Array, dx: Array) -> Array:
  """Whether a gradient m is no smaller than before and after it, on its way.

  Those lie between two of the eight neighbours: the one beside, along the
  larger derivative, and the one across.
  """
  _, h, w, _ = m.shape
  wide = jnp.pad(m, ((0, 0), (1, 1), (1, 1), (0, 0)))
  at = lambda i, j: wide[:, 1 + i : 1 + i + h, 1 + j : 1 + j + w]
  steep = jnp.abs(dy) > jnp.abs(dx)
  falls = ((dy >= 0) & (dx >= 0)) | ((dy <= 0) & (dx <= 0))
  larger, smaller = (
    pick(jnp.abs(dy), jnp.abs(dx)) for pick in (jnp.maximum, jnp.minimum)
  )
  share = smaller / jnp.maximum(larger, jnp.finfo(m.dtype).tiny)
  sides = []
  for i in (1, -1):
    across = jnp.where(falls, at(i, i), at(-i, i))
    beside = jnp.where(steep, jnp.where(falls, at(i, 0), at(-i, 0)), at(0, i))
    sides.append(share * across + (1 - share) * beside)
  return functools.reduce(jnp.logical_and, [m >= side for side in sides])


def _is_inner(shape: tuple[int, ...]) -> np.ndarray:
  """Which pixels (1, h, w, 1) are not the outermost."""
  inner = np.zeros((1, *shape[1:3], 1), bool)
  inner[:, 1:-1, 1:-1] = True
  return inner
