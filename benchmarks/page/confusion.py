"""A confusion matrix as SVG: rows are labels, columns predictions."""

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.page.markup import Markup, element, join

CELL, MOST = 24, 20  # pixels; classes that have room
LETTERS = 11  # of a name
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
  edge = 16 + 5 * min(max(map(len, names)), LETTERS)
  side = edge + CELL * len(names) + 2
  cells = [
    _cell(edge + j * CELL, edge + i * CELL, i == j, count, sum(row), len(names))
    for i, row in enumerate(counts)
    for j, count in enumerate(row)
  ]
  labels = [_labels(i, name, edge) for i, name in enumerate(names)]
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


def _cell(
  x: int, y: int, right: bool, count: int, total: int, classes: int
) -> Markup:
  """A cell whose darkness is the share of its label's examples."""
  share = count / total if total else 0.0
  box = element(
    "rect",
    x=x,
    y=y,
    width=CELL - 1,
    height=CELL - 1,
    fill_opacity=round(0.06 + 0.94 * share**0.5, 2) if count else 0.04,
    class_="right" if right else "wrong",
  )
  if not count or classes > NUMBERS:
    return box
  middle = {"x": x + CELL / 2 - 0.5, "y": y + CELL / 2 + 3}
  strong = " strong" * (share > 0.3)
  return join(box, element("text", count, **middle, class_=f"middle{strong}"))


def _labels(i: int, name: str, edge: int) -> Markup:
  at = edge + i * CELL + CELL / 2
  if len(name) > LETTERS:
    name = f"{name[: LETTERS - 1]}…"
  long = len(name) > 2
  turned = f"rotate(-60 {at} {edge - 6})" if long else None
  kind = None if long else "middle name"
  return join(
    element("text", name, x=edge - 6, y=at + 3, class_="end"),
    element("text", name, x=at, y=edge - 6, transform=turned, class_=kind),
  )
