"""What photographs become by filters alone: targets that a net can learn."""

from collections.abc import Callable

import cv2
import numpy as np

from vision_jax.data.errors import DataError

_TIMES, _WINDOW = 4, 9  # of the bilateral filter
_COLOUR, _SPACE = 40.0, 7.0  # its deviations, in levels and in pixels
_BLOCK, _MARGIN = 9, 4  # of the lines: window, and levels below its mean
_BLUR = 8.0  # of the sketch, in pixels
_LOW, _HIGH = 100, 200  # of Canny's edges


def cartoon(image: np.ndarray) -> np.ndarray:
  """Smooths colours up to their edges, and draws these black.

  The bilateral filter (Tomasi and Manduchi, 1998) four times, and a local
  threshold of the grey values.

  Args:
    image: (h, w, 3) uint8.
  """
  smooth = image
  for _ in range(_TIMES):
    smooth = cv2.bilateralFilter(smooth, _WINDOW, _COLOUR, _SPACE)
  grey = cv2.medianBlur(_grey(image), 5)
  way = (cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY)
  paper = cv2.adaptiveThreshold(grey, 255, *way, _BLOCK, _MARGIN)
  return np.where(paper[..., None] > 0, smooth, np.uint8(0))


def sketch(image: np.ndarray) -> np.ndarray:
  """Returns a pencil's drawing: grey over what is around it, as "dodge" does.

  Args:
    image: (h, w, 3) uint8.
  """
  grey = _grey(image)
  around = cv2.GaussianBlur(grey, (0, 0), _BLUR)
  return _colours(cv2.divide(grey, around, scale=255))


def edges(image: np.ndarray) -> np.ndarray:
  """Returns Canny's edges (1986), black on white.

  Args:
    image: (h, w, 3) uint8.
  """
  smooth = cv2.GaussianBlur(_grey(image), (0, 0), 1.0)
  return _colours(255 - cv2.Canny(smooth, _LOW, _HIGH))


STYLES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
  "cartoon": cartoon,
  "sketch": sketch,
  "edges": edges,
}


def check_style(flag: str, style: str) -> None:
  """Checks that there is such a style.

  Raises:
    DataError: naming the flag, and those that there are.
  """
  if style not in STYLES:
    raise DataError(
      f"{flag}: got {style!r}; expected one of {', '.join(STYLES)}."
    )


def _grey(image: np.ndarray) -> np.ndarray:
  return cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY)


def _colours(grey: np.ndarray) -> np.ndarray:
  return np.repeat(grey[..., None], 3, -1)
