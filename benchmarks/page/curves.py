"""How a key of `metrics.jsonl` went with the steps, a line a seed, as SVG."""

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
    seeds = {n: of[name] for n, of in courses.items() if of.get(name)}
    if any(len(points) > 1 for points in seeds.values()):
      found.append(_chart(name, seeds))
  return found


def _chart(name: str, seeds: Mapping[int, Points]) -> Markup:
  caption = element(
    "figcaption",
    element("code", name),
    *(
      element("span", f"seed {seed}", class_=f"key line{i % 6}")
      for i, seed in enumerate(seeds)
    ),
  )
  return element("figure", caption, _drawing(name, seeds), class_="chart")


def _drawing(name: str, seeds: Mapping[int, Points]) -> Markup:
  steps = [x for points in seeds.values() for x, _ in points]
  values = [y for points in seeds.values() for _, y in points]
  log = min(values) > 0 and max(values) > MANY * min(values)
  low, high = (
    (min(values) / 1.1, max(values) * 1.1) if log else widened(values, 0.05)
  )
  x = Scale(min(steps), max(steps), LEFT, WIDTH - RIGHT)
  y = Scale(low, high, HEIGHT - BOTTOM, TOP, log)
  marks = log_ticks(low, high) if log else ticks(low, high)
  return element(
    "svg",
    element("title", f"{name} by step, {len(seeds)} seeds"),
    *(_level(y(value), short(value)) for value in marks),
    *_steps(x, steps),
    *(
      element(
        "polyline",
        points=" ".join(f"{x(a)},{y(b)}" for a, b in points),
        class_=f"line line{i % 6}",
      )
      for i, points in enumerate(seeds.values())
    ),
    viewBox=f"0 0 {WIDTH} {HEIGHT}",
    role="img",
  )


def _level(y: float, text: str) -> Markup:
  return join(
    element("line", x1=LEFT, x2=WIDTH - RIGHT, y1=y, y2=y, class_="grid"),
    element("text", text, x=LEFT - 6, y=y + 3.5, class_="end"),
  )


def _steps(x: Scale, steps: Sequence[float]) -> list[Markup]:
  """The steps at round numbers, and nothing that would leave the drawing."""
  marks = ticks(min(steps), max(steps))
  return [
    element(
      "text",
      short(step),
      x=min(x(step), WIDTH - RIGHT - 8),
      y=HEIGHT - 7,
      class_="middle",
    )
    for step in marks
  ] + [element("text", "steps", x=LEFT, y=HEIGHT - 7, class_="end unit")]
