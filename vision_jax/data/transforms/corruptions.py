"""Corruptions: what images of a test set become, to see what a net withstands.

Functions of images (b, h, w, c) uint8, a strength and draws (b, 2) in [0, 1) of
each image, the whole of their randomness: `STRENGTHS` names them, with five
strengths each. Where an image is moved it is interpolated between four pixels,
and black is what lies outside it.
"""

from collections.abc import Mapping

import numpy as np

from vision_jax.errors import UserError

# Contrast and noise are those of Hendrycks and Dietterich (2019).
STRENGTHS: Mapping[str, tuple[float, ...]] = {
  "shift": (0.04, 0.08, 0.12, 0.16, 0.2),  # of the sides, in any direction
  "rotation": (10, 20, 30, 40, 50),  # degrees, either way
  "scale": (1.1, 1.2, 1.3, 1.4, 1.5),  # times as large, or as small
  "contrast": (0.4, 0.3, 0.2, 0.1, 0.05),  # what is left of it
  "noise": (0.08, 0.12, 0.18, 0.26, 0.38),  # standard deviation, of white
  "occlusion": (0.2, 0.3, 0.4, 0.5, 0.6),  # of the sides, by a grey square
}
_GREY = 128


def corrupt(
  image: np.ndarray, kind: str, strength: float, draws: np.ndarray
) -> np.ndarray:
  """Returns images corrupted in one way, of the same shape and type.

  Args:
    image: (b, h, w, c) uint8.
    kind: one of STRENGTHS.
    strength: how strongly, in the kind's unit.
    draws: (b, 2) in [0, 1); equal ones give equal images.

  Raises:
    UserError: for an unknown kind, or images of another type.
  """
  if kind not in STRENGTHS:
    raise UserError(
      f"corruption: got {kind!r}; expected one of {', '.join(STRENGTHS)}."
    )
  if image.ndim != 4 or image.dtype != np.uint8:
    raise UserError(
      f"corruption: got images {image.shape} of {image.dtype}; expected "
      "(b, h, w, c) of uint8. Decode and resize them first."
    )
  return _FUNCTIONS[kind](image, strength, np.asarray(draws, np.float64))


def affine(
  image: np.ndarray, matrix: np.ndarray, offset: np.ndarray
) -> np.ndarray:
  """Resamples images (b, h, w, c) uint8, each by an affine map of its own.

  As `scipy.ndimage.affine_transform` of order 1 and mode "grid-constant": a
  pixel at place p (y, x) is the image at `matrix @ p + offset`.

  Args:
    image: (b, h, w, c) uint8.
    matrix: (b, 2, 2).
    offset: (b, 2) in pixels.
  """
  b, h, w, c = image.shape
  grid = np.stack(np.mgrid[:h, :w], -1).reshape(-1, 2)
  places = np.matmul(grid, np.swapaxes(matrix, 1, 2)) + offset[:, None]
  low = np.floor(places)
  part = (places - low).astype(np.float32)
  low = low.astype(np.int64)
  framed = np.pad(image, ((0, 0), (1, 1), (1, 1), (0, 0))).reshape(b, -1, c)
  found = np.zeros((b, h * w, c), np.float32)
  for i, j in np.ndindex(2, 2):
    y = np.clip(low[..., 0] + i, -1, h) + 1  # outside is in the frame
    x = np.clip(low[..., 1] + j, -1, w) + 1
    weight = np.abs(1 - i - part[..., 0]) * np.abs(1 - j - part[..., 1])
    seen = np.take_along_axis(framed, (y * (w + 2) + x)[..., None], 1)
    found += weight[..., None] * seen
  return _as_pixels(found).reshape(image.shape)


def _about_centre(image: np.ndarray, matrix: np.ndarray) -> np.ndarray:
  """Resamples by maps that leave the middle where it is."""
  centre = (np.array(image.shape[1:3]) - 1) / 2
  return affine(image, matrix, centre - matrix @ centre)


def _shift(image, strength, draws):
  b, h, w, _ = image.shape
  angle = 2 * np.pi * draws[:, 0]
  way = np.stack([np.sin(angle), np.cos(angle)], -1)
  matrix = np.broadcast_to(np.eye(2), (b, 2, 2))
  return affine(image, matrix, way * strength * np.array([h, w]))


def _rotate(image, strength, draws):
  angle = np.deg2rad(np.where(draws[:, 0] < 0.5, strength, -strength))
  sin, cos = np.sin(angle), np.cos(angle)
  matrix = np.stack([np.stack([cos, sin], -1), np.stack([-sin, cos], -1)], 1)
  return _about_centre(image, matrix)


def _rescale(image, strength, draws):
  factor = np.where(draws[:, 0] < 0.5, strength, 1 / strength)
  return _about_centre(image, np.eye(2) / factor[:, None, None])


def _lower_contrast(image, strength, draws):
  del draws  # the same for all
  mean = image.mean((1, 2), keepdims=True)
  return _as_pixels((image - mean) * strength + mean)


def _add_noise(image, strength, draws):
  noise = np.empty(image.shape, np.float32)
  for row, seed in zip(noise, draws[:, 0] * 2**53, strict=True):
    rng = np.random.default_rng(int(seed))
    rng.standard_normal(out=row, dtype=np.float32)
  return _as_pixels(image + 255 * strength * noise)


def _occlude(image, strength, draws):
  _, h, w, _ = image.shape
  sides = np.rint(strength * np.array([h, w]))
  first = np.floor(draws * (np.array([h, w]) - sides + 1))[:, None, None]
  at = np.stack(np.mgrid[:h, :w], -1)
  hidden = np.all((at >= first) & (at < first + sides), -1)
  return np.where(hidden[..., None], np.uint8(_GREY), image)


_FUNCTIONS = {
  "shift": _shift,
  "rotation": _rotate,
  "scale": _rescale,
  "contrast": _lower_contrast,
  "noise": _add_noise,
  "occlusion": _occlude,
}


def _as_pixels(x: np.ndarray) -> np.ndarray:
  return np.clip(np.rint(x), 0, 255).astype(np.uint8)
