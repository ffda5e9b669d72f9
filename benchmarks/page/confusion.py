"""A confusion matrix as SVG: rows are labels, columns predictions."""

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.page.markup import Markup, element, join

CELL, EDGE, MOST = 24, 70, 20  # pixels; classes that have room
NUMBERS = 12  # classes whose counts are written, too


def readable(found: Any) -> bool:
  """Whether it is a matrix of counts with as many names."""
  if not isinstance(found, dict):
    return False
  names, counts = found.get("names"), found.get("counts")
  if not (isinstance(names, list) and isinstance(counts, list)):
    return False
  whole = lambda x: isinstance(x, int) and not isinstance(x, bool) and x >= 0
  square = len(names) == len(counts) and all(
    isinstance(row, list) and len(row) == len(names) and all(map(whole, row))
    for row in counts
  )
  return square and 1 < len(names) <= MOST


def matrix(found: Mapping[str, Sequence]) -> Markup:
  """Returns a drawing of `names` and `counts`, see `readable`."""
  names, counts = list(map(str, found["names"])), found["counts"]
  side = EDGE + CELL * len(names) + 2
  cells = [
    _cell(i, j, count, sum(row), len(names))
    for i, row in enumerate(counts)
    for j, count in enumerate(row)
  ]
  labels = [_labels(i, name) for i, name in enumerate(names)]
  right = sum(row[i] for i, row in enumerate(counts))
  total = sum(map(sum, counts))
  drawing = element(
    "svg",
    element("title", f"confusion matrix: {right} of {total} right"),
    *cells,
    *labels,
    viewBox=f"0 0 {side} {side}",
    role="img",
  )
  caption = element(
    "figcaption", f"{right:,} of {total:,} right: label down, prediction across"
  )
  return element("figure", caption, drawing, class_="chart confusion")


def _cell(i: int, j: int, count: int, total: int, classes: int) -> Markup:
  """A cell whose darkness is the share of its label's examples."""
  share = count / total if total else 0.0
  x, y = EDGE + j * CELL, EDGE + i * CELL
  box = element(
    "rect",
    x=x,
    y=y,
    width=CELL - 1,
    height=CELL - 1,
    fill_opacity=round(0.06 + 0.94 * share**0.5, 2) if count else 0.04,
    class_="right" if i == j else "wrong",
  )
  if not count or classes > NUMBERS:
    return box
  middle = {"x": x + CELL / 2 - 0.5, "y": y + CELL / 2 + 3}
  strong = " strong" * (share > 0.3)
  return join(box, element("text", count, **middle, class_=f"middle{strong}"))


def _labels(i: int, name: str) -> Markup:
  at = EDGE + i * CELL + CELL / 2
  name = name if len(name) <= 11 else f"{name[:10]}…"
  turned = f"rotate(-60 {at} {EDGE - 6})"
  return join(
    element("text", name, x=EDGE - 6, y=at + 3, class_="end"),
    element("text", name, x=at, y=EDGE - 6, transform=turned),
  )
