"""Values of a config tried one by one: `--sweep=lr:0.01,0.1 --seeds=3`.

Every combination is a run of the row with those values, in a folder of its own,
so that a sweep resumes as a suite does. The best is named by the validation
metric: chosen on test, a test metric is none.
"""

import itertools
import json
import math
import pathlib
import re
import statistics
from collections.abc import Mapping, Sequence

from benchmarks.page.markup import element
from benchmarks.page.scale import Scale, log_ticks, short, ticks, widened
from benchmarks.report import markdown
from benchmarks.result import Result
from benchmarks.row import Row
from vision_jax.errors import UserError
from vision_jax.files import replace_text

Values = Mapping[str, str]
# Values, what they gave, and the validation metric of each seed.
Point = tuple[Values, Result, Sequence[float]]
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 480, 260, 56, 16, 16, 34
COLOURS = ("#0b6e99", "#c2571a", "#4d7c0f", "#7c3aed", "#b91c1c", "#57534e")
MANY = 8.0  # times the least value: then the axis is logarithmic


def read(texts: Sequence[str]) -> list[dict[str, str]]:
  """Returns every combination of "KEY:VALUE,VALUE", a dict each.

  Raises:
    UserError: for text of another form, or a key or value that is there twice.
  """
  axes: dict[str, list[str]] = {}
  for text in texts:
    key, colon, values = text.partition(":")
    listed = [value for value in values.split(",") if value]
    if not (key and colon and listed):
      raise UserError(
        f"--sweep: got {text!r}; expected KEY:VALUE,VALUE, as lr:0.01,0.1; "
        "several of them are combined."
      )
    if key in axes or len({*listed}) < len(listed):
      raise UserError(f"--sweep: got {text!r}; expected each once.")
    axes[key] = listed
  combined = itertools.product(*axes.values())
  return [dict(zip(axes, values, strict=True)) for values in combined]


def label(values: Values) -> str:
  """Returns a combination as the name of its folder, and as text."""
  words = ",".join(f"{key}={value}" for key, value in values.items())
  return re.sub(r"[^\w.,=+-]", "_", words)


def selected_by(row: Row) -> str:
  """Returns the metric that a choice is made by, "" where there is none."""
  start, _, rest = row.metric.partition("/")
  return f"val/{rest}" if start == "test" else ""


def of_val(row: Row, folder: pathlib.Path, seeds: int) -> list[float]:
  """Returns the last validation metric of each seed; none where one lacks."""
  key, found = selected_by(row), []
  for seed in range(seeds):
    file = folder / row.name / f"seed{seed}" / "workdir" / "metrics.jsonl"
    lines = file.read_text("utf-8").splitlines() if file.exists() else []
    values = [x[key] for x in map(json.loads, lines) if key in x]
    found += values[-1:]
  whole = len(found) == seeds and all(map(math.isfinite, found))
  return found if whole else []


def best(
  points: Sequence[Point],
) -> Values | None:
  """Returns the values that are best on val; None where one has no metric."""
  if not all(val for _, _, val in points):
    return None
  sign = 1 if points[0][1].row.higher_is_better else -1
  return max(points, key=lambda point: sign * statistics.fmean(point[2]))[0]


def write(
  points: Sequence[Point],
  output: pathlib.Path,
) -> pathlib.Path:
  """Writes sweep.md, and a drawing of each row; returns the page's path.

  Args:
    points: values, result, and validation metrics, of every run.
    output: the folder.
  """
  parts = ["# Sweep\n"]
  for row in {p[1].row.name: p[1].row for p in points}.values():
    own = [p for p in points if p[1].row.name == row.name]
    parts.append(_section(row, own))
    if drawn := drawing(row, own):
      name = f"sweep_{row.name}.svg"
      replace_text(output / name, drawn)
      parts.append(f"![{markdown.escape(row.name)}]({name})\n")
  page = output / "sweep.md"
  replace_text(page, "\n".join(parts))
  return page


def _section(row: Row, points) -> str:
  keys, choice = [*points[0][0]], best(points)
  columns = (*keys, selected_by(row) or "val", row.metric, "seeds", "seconds")
  lines = [
    [
      *(markdown.escape(values[key]) for key in keys),
      _shown(val),
      _shown(result.values) or markdown.escape(result.reason or result.absent),
      str(len(result.seeds)),
      "" if result.seconds is None else f"{result.seconds:.0f}",
    ]
    for values, result, val in points
  ]
  text = f"## {markdown.escape(row.name)}\n\n{markdown.table(columns, lines)}\n"
  if choice is None:
    return f"{text}No validation metric of all: nothing is chosen by test.\n"
  (of_best,) = (p for p in points if p[0] == choice)
  return (
    f"{text}Best on {selected_by(row)}: {markdown.code(label(choice))}, with "
    f"{row.metric} {_shown(of_best[1].values)}.\n"
  )


def _shown(values: Sequence[float]) -> str:
  if not values:
    return ""
  sd = f" ± {statistics.stdev(values):.2g}" if len(values) > 1 else ""
  return f"{statistics.fmean(values):.4g}{sd}"


def drawing(row: Row, points) -> str:
  """Returns an SVG of the metric by the first key of numbers; "" for none."""
  numeric = [
    key for key in points[0][0] if all(_number(p[0][key]) for p in points)
  ]
  measured = [p for p in points if p[2] or p[1].values]
  if not numeric or len({p[0][numeric[0]] for p in measured}) < 2:
    return ""
  key, series = numeric[0], {}
  on_val = all(p[2] for p in measured)
  for values, result, val in measured:
    name = label({k: x for k, x in values.items() if k != key})
    y = val if on_val else result.values
    series.setdefault(name, []).append((float(values[key]), y))
  return _svg(key, selected_by(row) if on_val else row.metric, series)


def _svg(key, metric, series) -> str:
  xs = sorted({x for points in series.values() for x, _ in points})
  ys = [y for points in series.values() for _, all_ in points for y in all_]
  log = xs[0] > 0 and xs[-1] > MANY * xs[0]
  low, high = widened(ys, 0.08)
  x = Scale(xs[0], xs[-1], LEFT + 12, WIDTH - RIGHT - 12, log)
  y = Scale(low, high, HEIGHT - BOTTOM, TOP)
  marks = log_ticks(xs[0], xs[-1]) if log else ticks(xs[0], xs[-1])
  text = {"font_family": "sans-serif", "font_size": 11, "fill": "#666"}
  parts = [element("title", f"{metric} by {key}")]
  for value in ticks(low, high):
    at = y(value)
    line = {"x1": LEFT, "x2": WIDTH - RIGHT, "y1": at, "y2": at}
    parts.append(element("line", **line, stroke="#8884"))
    place = {"x": LEFT - 6, "y": at + 4, "text_anchor": "end"}
    parts.append(element("text", short(value), **place, **text))
  for value in marks:
    place = {"x": x(value), "y": HEIGHT - 18, "text_anchor": "middle"}
    parts.append(element("text", short(value), **place, **text))
  parts.append(
    element("text", f"{metric} by {key}", x=LEFT, y=HEIGHT - 4, **text)
  )
  for number, (name, points) in enumerate(sorted(series.items())):
    parts += _series(name, sorted(points), x, y, COLOURS[number % 6], number)
  return element(
    "svg",
    *parts,
    xmlns="http://www.w3.org/2000/svg",
    viewBox=f"0 0 {WIDTH} {HEIGHT}",
    width=WIDTH,
  )


def _series(name, points, x, y, colour, number):
  """A line through the means, and a dot for each seed."""
  line = " ".join(f"{x(a)},{y(statistics.fmean(b))}" for a, b in points)
  found = [element("polyline", points=line, fill="none", stroke=colour)]
  found += [
    element("circle", cx=x(a), cy=y(value), r=3, fill=colour)
    for a, values in points
    for value in values
  ]
  place = {"x": LEFT + 8, "y": TOP + 12 + 14 * number, "fill": colour}
  font = {"font_family": "sans-serif", "font_size": 11}
  return [*found, element("text", name, **place, **font)] if name else found


def _number(text: str) -> bool:
  try:
    return math.isfinite(float(text))
  except ValueError:
    return False
