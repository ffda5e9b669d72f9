"""Classes over time, as stripes."""

from collections.abc import Mapping, Sequence

import numpy as np

from vision_jax.errors import UserError
from vision_jax.viz.overlay import with_legend
from vision_jax.viz.palette import palette
from vision_jax.viz.text import put_label

WHITE, BLACK = (255,) * 3, (0,) * 3
_TITLE = 90  # pixels to the left of a stripe
_STRIPE = 24  # pixels of its height
_GAP = 4
_LEAST = 480  # pixels of its length
_LINE = 18  # of the legend


def strips(
  rows: Mapping[str, Sequence[int] | np.ndarray],
  class_names: Sequence[str],
  *,
  ignore: int = 255,
) -> np.ndarray:
  """Returns a stripe for each row, one below the other, (h w 3) uint8.

  Frames go from left to right in the colours of their classes, which a legend
  names. What is no class is white.

  Args:
    rows: title -> labels (t,), such as truth and prediction, all as long.
    class_names: of the labels.
    ignore: the label of frames without a class.

  Raises:
    UserError: for rows of several lengths, none, or labels without a name.
  """
  labels = {title: np.asarray(x) for title, x in rows.items()}
  lengths = {title: len(x) for title, x in labels.items()}
  if len(set(lengths.values())) != 1 or not min(lengths.values()):
    raise UserError(
      f"strips: got frames {lengths}; expected one or more, and as many in "
      "each row."
    )
  colours = palette(len(class_names))
  parts = [
    _stripe(title, x, colours, ignore, class_names)
    for title, x in labels.items()
  ]
  image = np.concatenate(parts)
  short = len(class_names) * _LINE + _GAP - len(image)
  image = np.pad(
    image, ((0, max(short, 0)), (0, 0), (0, 0)), constant_values=255
  )
  return with_legend(image, class_names)


def _stripe(title, labels, colours, ignore, class_names) -> np.ndarray:
  known = labels != ignore
  bad = known & ((labels < 0) | (labels >= len(class_names)))
  if bad.any():
    raise UserError(
      f"strips: {title} has the label {labels[bad][0]}; expected one of "
      f"{len(class_names)} classes, or {ignore}."
    )
  line = np.full((len(labels), 3), 255, np.uint8)
  line[known] = colours[labels[known]]
  line = line.repeat(max(-(-_LEAST // len(labels)), 1), 0)
  image = np.full((_STRIPE + _GAP, _TITLE + len(line), 3), 255, np.uint8)
  image[:_STRIPE, _TITLE:] = line
  put_label(image, title, (0, 2), colour=BLACK, background=WHITE, height=11)
  return image
