"""Lines as SVG, such as a key of `metrics.jsonl` by steps, a line a seed."""

from collections.abc import Mapping, Sequence

from benchmarks.page.markup import Markup, element, join
from benchmarks.page.scale import Scale, log_ticks, short, ticks, widened

WIDTH, HEIGHT = 340, 190
LEFT, RIGHT, TOP, BOTTOM = 46, 10, 10, 24
MANY = 30.0  # times the least: then the logarithm is shown
Points = Sequence[Sequence[float]]


def charts(courses: Mapping[int, Mapping[str, Points]]) -> list[Markup]:
  """Returns a chart for each key that a seed has.

  Args:
    courses: seed -> key -> [step, value] pairs.
  """
  names = dict.fromkeys(k for of in courses.values() for k in of)
  found = []
  for name in names:
    seeds = {f"seed {n}": of[name] for n, of in courses.items() if of.get(name)}
    if any(len(points) > 1 for points in seeds.values()):
      found.append(chart(name, seeds, "steps"))
  return found


def chart(
  name: str, lines: Mapping[str, Points], unit: str, *, log: bool = True
) -> Markup:
  """Returns a drawing of lines by their names, with a key above it.

  Args:
    name: what it shows.
    lines: name -> [x, y] pairs.
    unit: what x is.
    log: whether the logarithm is shown of values that are far apart.
  """
  caption = element(
    "figcaption",
    element("code", name),
    *(
      element("span", line, class_=f"key line{i % 6}")
      for i, line in enumerate(lines)
    ),
  )
  drawing = _drawing(name, lines, unit, log)
  return element("figure", caption, drawing, class_="chart")


def _drawing(
  name: str, lines: Mapping[str, Points], unit: str, log: bool
) -> Markup:
  places = [x for points in lines.values() for x, _ in points]
  values = [y for points in lines.values() for _, y in points]
  log = log and min(values) > 0 and max(values) > MANY * min(values)
  low, high = (
    (min(values) / 1.1, max(values) * 1.1) if log else widened(values, 0.05)
  )
  x = Scale(min(places), max(places), LEFT, WIDTH - RIGHT)
  y = Scale(low, high, HEIGHT - BOTTOM, TOP, log)
  marks = log_ticks(low, high) if log else ticks(low, high)
  return element(
    "svg",
    element("title", f"{name} by {unit}, {', '.join(lines)}"),
    *(_level(y(value), short(value)) for value in marks),
    *_places(x, places, unit),
    *(
      element(
        "polyline",
        points=" ".join(f"{x(a)},{y(b)}" for a, b in points),
        class_=f"line line{i % 6}",
      )
      for i, points in enumerate(lines.values())
    ),
    viewBox=f"0 0 {WIDTH} {HEIGHT}",
    role="img",
  )


def _level(y: float, text: str) -> Markup:
  return join(
    element("line", x1=LEFT, x2=WIDTH - RIGHT, y1=y, y2=y, class_="grid"),
    element("text", text, x=LEFT - 6, y=y + 3.5, class_="end"),
  )


def _places(x: Scale, places: Sequence[float], unit: str) -> list[Markup]:
  """The round numbers below, and nothing that would leave the drawing."""
  marks = ticks(min(places), max(places))
  return [
    element(
      "text",
      short(place),
      x=min(x(place), WIDTH - RIGHT - 8),
      y=HEIGHT - 7,
      class_="middle",
    )
    for place in marks
  ] + [element("text", unit, x=LEFT, y=HEIGHT - 7, class_="end unit")]
