"""Precision over recall of a detector and the costs of its errors, as SVG."""

from collections.abc import Mapping
from typing import Any

from benchmarks.page.curves import chart
from benchmarks.page.markup import Markup, element, join
from benchmarks.page.scale import Scale

WIDTH, BAR, LEFT, RIGHT = 340, 20, 84, 84  # pixels
LEAST = 0.01  # of average precision: what a whole bar costs at least


def readable(found: Any) -> bool:
  """Whether it is what `benchmarks.detections` writes."""
  if not isinstance(found, dict) or not _number(found.get("ap50")):
    return False
  lines, errors = found.get("curves"), found.get("errors")
  if not (isinstance(lines, list) and isinstance(errors, list) and lines):
    return False
  return all(
    _named(x, 2)
    and isinstance(x[1], list)
    and len(x[1]) > 1
    and all(map(_number, x[1]))
    for x in lines
  ) and all(_named(x, 3) and all(map(_number, x[1:])) for x in errors)


def charts(found: Mapping[str, Any]) -> list[Markup]:
  """Returns drawings of the curves and of the errors, see `readable`."""
  points = {
    name: [(i / (len(values) - 1), x) for i, x in enumerate(values)]
    for name, values in found["curves"]
  }
  drawn = [chart("precision", points, "recall", log=False)]
  return drawn + ([_errors(found)] if found["errors"] else [])


def _errors(found: Mapping[str, Any]) -> Markup:
  """A bar for each kind, as long as what mending it would bring."""
  errors = found["errors"]
  most = max(LEAST, *(cost for *_, cost in errors))
  x = Scale(0, most, LEFT, WIDTH - RIGHT)
  caption = element(
    "figcaption", f"AP50 {100 * found['ap50']:.1f}; what mending each would add"
  )
  drawing = element(
    "svg",
    element("title", "what each kind of error costs"),
    *(_bar(i, x, *error) for i, error in enumerate(errors)),
    viewBox=f"0 0 {WIDTH} {BAR * len(errors) + 4}",
    role="img",
  )
  return element("figure", caption, drawing, class_="chart errors")


def _bar(i: int, x: Scale, kind: str, number: int, cost: float) -> Markup:
  top, end = i * BAR + 2, x(max(cost, 0))
  return join(
    element("text", kind, x=LEFT - 6, y=top + 12, class_="end"),
    element(
      "rect",
      x=LEFT,
      y=top + 2,
      width=round(end - LEFT, 1),
      height=BAR - 6,
      class_="bar",
    ),
    element("text", f"{100 * cost:.1f} ({number:,})", x=end + 6, y=top + 12),
  )


def _number(x: Any) -> bool:
  """Whether it is a finite number, a bool not being one."""
  real = isinstance(x, int | float) and not isinstance(x, bool)
  return real and abs(x) < float("inf")


def _named(x: Any, length: int) -> bool:
  """Whether it is a list of so many whose first is a name."""
  return isinstance(x, list) and len(x) == length and isinstance(x[0], str)
