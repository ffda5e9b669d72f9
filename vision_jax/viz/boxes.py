"""Boxes with class and score, drawn on images."""

from collections.abc import Sequence

import cv2
import numpy as np

from vision_jax.errors import UserError
from vision_jax.viz.palette import palette, readable_on
from vision_jax.viz.pixels import to_rgb
from vision_jax.viz.text import put_label

WHOLE = 1000  # pixels of a side, above which letters grow with the image


def draw_boxes(
  image: np.ndarray,
  boxes: np.ndarray,
  labels: np.ndarray | None = None,
  scores: np.ndarray | None = None,
  *,
  class_names: Sequence[str] = (),
  colours: np.ndarray | None = None,
  thickness: int = 2,
  scale: float = 1.0,
  text: bool = True,
) -> np.ndarray:
  """Returns the image with boxes over it, (h w 3) uint8.

  Args:
    image: see `to_rgb`.
    boxes: (n, 4) x1, y1, x2, y2 in pixels; what leaves the image is cut off.
    labels: (n,) classes, which choose the colours; None for one colour.
    scores: (n,), written with two digits; None for none. The best are drawn
      last, over the others.
    class_names: what is written for labels; () writes their numbers.
    colours: (k, 3) uint8; None for `palette`.
    thickness: width of the lines, in pixels.
    scale: size of the letters, and of the lines.
    text: whether class and score are written.

  Raises:
    UserError: if lengths differ or a coordinate is not finite.
  """
  boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
  number = len(boxes)
  for name, values in (("labels", labels), ("scores", scores)):
    if values is not None and len(values) != number:
      raise UserError(
        f"{name}: got {len(values)} for {number} boxes; expected as many."
      )
  if not np.isfinite(boxes).all():
    raise UserError(
      f"boxes: got {boxes[~np.isfinite(boxes).all(1)][0]}; expected finite "
      "pixels."
    )
  image = to_rgb(image)
  classes = np.zeros(number, int) if labels is None else np.asarray(labels, int)
  if colours is None:
    colours = palette(int(classes.max(initial=0)) + 1)
  order = np.arange(number) if scores is None else np.argsort(scores)
  for i in order:
    words = _text(i, labels, scores, class_names) if text else ""
    _draw(image, boxes[i], colours[classes[i]], words, thickness, scale)
  return image


def readable_scale(image: np.ndarray) -> float:
  """Returns the scale of letters for an image that is shown as a whole."""
  return max(max(image.shape[:2]) / WHOLE, 1.0)


def _draw(image, box, colour, text, thickness, scale):
  colour = tuple(int(c) for c in colour)
  h, w, _ = image.shape
  limit = np.array([w, h, w, h]) * 4  # cv2 takes 16-bit places only
  x1, y1, x2, y2 = (int(v) for v in np.clip(np.round(box), -limit, limit))
  width = round(thickness * scale)
  cv2.rectangle(image, (x1, y1), (x2 - 1, y2 - 1), colour, width)
  if text:
    put_label(
      image,
      text,
      (x1, y1 - round(16 * scale)),
      colour=readable_on(colour),
      background=colour,
      height=round(12 * scale),
    )


def _text(i, labels, scores, names) -> str:
  words = []
  if labels is not None:
    label = int(labels[i])
    words.append(names[label] if names else str(label))
  if scores is not None:
    words.append(f"{float(scores[i]):.2f}")
  return " ".join(words)
