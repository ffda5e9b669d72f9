"""Text on images."""

import cv2
import numpy as np

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_HEIGHT = 21.0  # pixels of a line of this font at scale 1


def put_label(
  image: np.ndarray,
  text: str,
  corner: tuple[int, int],
  *,
  colour,
  background,
  height: int = 12,
) -> tuple[int, int]:
  """Writes `text` in a filled box whose upper left corner is (x, y), in place.

  Args:
    image: (h w 3) uint8.
    text: one line; characters that are not ASCII show as "?".
    corner: (x, y); moved so that the box lies within the image if it can.
    colour, background: RGB.
    height: height of the letters, in pixels.

  Returns:
    (width, height) of the box.
  """
  plain = text.encode("ascii", "replace").decode()
  scale, thickness = height / _HEIGHT, max(height // 16, 1)
  (w, h), below = cv2.getTextSize(plain, _FONT, scale, thickness)
  w, h = w + 4, h + below + 4
  x = max(min(corner[0], image.shape[1] - w), 0)
  y = max(min(corner[1], image.shape[0] - h), 0)
  as_int = lambda rgb: tuple(int(c) for c in rgb)
  cv2.rectangle(image, (x, y), (x + w - 1, y + h - 1), as_int(background), -1)
  cv2.putText(
    image,
    plain,
    (x + 2, y + h - below - 2),
    _FONT,
    scale,
    as_int(colour),
    thickness,
    cv2.LINE_AA,
  )
  return w, h
