"""Curves of values from 0 to 1, as images."""

import dataclasses
import itertools
from collections.abc import Sequence

import cv2
import numpy as np

from vision_jax.errors import UserError
from vision_jax.viz.text import put_label

WHITE, BLACK, PALE = (255,) * 3, (0,) * 3, (225,) * 3
_MARGIN = (24, 12, 24, 44)  # pixels above, right, below, left
_DASH = 6  # pixels


@dataclasses.dataclass(frozen=True)
class Line:
  """A curve: its name, its values in [0, 1], its colour (RGB)."""

  name: str
  values: Sequence[float]
  colour: Sequence[int]
  dashed: bool = False


def curves(
  lines: Sequence[Line],
  *,
  ticks: Sequence[str],
  title: str,
  size: tuple[int, int] = (260, 360),
) -> np.ndarray:
  """Returns a panel (h w 3) uint8: values in percent over evenly spaced ticks.

  Args:
    lines: drawn in order; each has a value for each tick.
    ticks: what stands below.
    title: above.
    size: (h, w) of the panel.

  Raises:
    UserError: if a line has another number of values.
  """
  for line in lines:
    if len(line.values) != len(ticks):
      raise UserError(
        f"curves: {line.name} has {len(line.values)} values; expected "
        f"{len(ticks)}, one for each of {list(ticks)}."
      )
  panel = np.full((*size, 3), 255, np.uint8)
  top, right, below, left = _MARGIN
  xs = np.linspace(left, size[1] - right, len(ticks))
  y_of = lambda value: top + (1 - value) * (size[0] - top - below)
  for part in (0, 0.25, 0.5, 0.75, 1):
    y = round(y_of(part))
    cv2.line(panel, (left, y), (size[1] - right, y), PALE, 1)
    _write(panel, f"{100 * part:.0f}", (4, y - 8))
  for x, tick in zip(xs, ticks, strict=True):
    _write(panel, tick, (round(x) - 4 * len(tick), size[0] - below + 6))
  _write(panel, title, (left, 2))
  for line in lines:
    _draw(panel, np.stack([xs, y_of(np.asarray(line.values))], -1), line)
  return panel


def legend(
  lines: Sequence[Line], size: tuple[int, int] = (260, 360)
) -> np.ndarray:
  """Returns a panel (h w 3) uint8 of the lines' names."""
  panel = np.full((*size, 3), 255, np.uint8)
  for y, line in zip(range(30, size[0], 30), lines, strict=False):
    _draw(panel, np.array([(20.0, y), (80.0, y)]), line)
    _write(panel, line.name, (95, y - 8))
  return panel


def _write(panel: np.ndarray, text: str, corner: tuple[int, int]) -> None:
  put_label(panel, text, corner, colour=BLACK, background=WHITE, height=10)


def _draw(panel: np.ndarray, points: np.ndarray, line: Line) -> None:
  """Joins points (n, 2) x, y, of a dashed line by pieces."""
  colour = tuple(int(x) for x in line.colour)
  draw = lambda a, b: cv2.line(
    panel,
    *(tuple(int(x) for x in np.rint(p)) for p in (a, b)),
    colour,
    2,
    cv2.LINE_AA,
  )
  for a, b in itertools.pairwise(points):
    length = float(np.hypot(*(b - a)))
    pieces = max(round(length / _DASH / 2), 1) if line.dashed else 1
    for piece in range(pieces):
      end = (piece + 0.5) / pieces if line.dashed else 1.0
      draw(a + (b - a) * piece / pieces, a + (b - a) * end)
