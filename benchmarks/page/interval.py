"""A row's values on a line: seeds, intervals, reference and target."""

from benchmarks.page.markup import Markup, element, join
from benchmarks.page.scale import Scale, widened
from benchmarks.report.tables import value
from benchmarks.result import Result

WIDTH, HEIGHT, MIDDLE = 200, 34, 15
REACH = 3.0  # of the rest, that a prediction interval may take of the width


def drawing(result: Result) -> Markup:
  """Returns an SVG of a result that has values.

  Dots are seeds, the bar is the 95 % interval of the mean, the thin line the
  one of a further seed, the dashed line the reference and the band what its
  tolerance forgives; a triangle is our target.
  """
  low, high = _range(result)
  at = Scale(low, high, 6, WIDTH - 6)
  parts = [
    _axis(),
    _reference(result, at),
    _target(result, at),
    _intervals(result, at),
    _seeds(result, at),
  ]
  return element(
    "svg",
    element("title", _spoken(result)),
    *parts,
    viewBox=f"0 0 {WIDTH} {HEIGHT}",
    role="img",
    class_="interval",
  )


def _range(result: Result) -> tuple[float, float]:
  row, summary = result.row, result.summary
  shown = [*result.values, *(summary.ci95 or ())]
  if reference := result.reference:
    shown += [reference.value]
    if not result.differs:
      shown += [
        reference.value - row.tolerance,
        reference.value + row.tolerance,
      ]
  if row.target is not None:
    shown += [row.target]
  # Two or three marks at the ends would look far apart whatever they are.
  low, high = widened(shown, 0.08 if summary.ci95 else 0.4)
  if summary.pi95:
    most = REACH * (high - low)
    low = min(low, max(summary.pi95[0], high - most))
    high = max(high, min(summary.pi95[1], low + most))
  return low, high


def _axis() -> Markup:
  return _line(0, MIDDLE, WIDTH, MIDDLE, "axis")


def _reference(result: Result, at: Scale) -> Markup:
  reference, row = result.reference, result.row
  if reference is None:
    return join()
  x = at(reference.value)
  parts = []
  if not result.differs and row.tolerance:
    worse, better = at(_worst(result)), x
    if row.within is not None:  # better is as wrong as worse
      better = 2 * x - worse
    left, wide = min(worse, better), round(abs(better - worse), 1)
    parts = [element("rect", x=left, y=2, width=wide, height=26, class_="band")]
  return join(*parts, _line(x, 2, x, 28, "published"))


def _worst(result: Result) -> float:
  """The worst value that the row forgives."""
  sign = -1 if result.row.higher_is_better else 1
  return result.reference.value + sign * result.row.tolerance


def _target(result: Result, at: Scale) -> Markup:
  if result.row.target is None:
    return join()
  x = at(result.row.target)
  points = f"{x},25 {x - 3.5:.1f},32 {x + 3.5:.1f},32"
  return element("polygon", points=points, class_="target")


def _intervals(result: Result, at: Scale) -> Markup:
  summary = result.summary
  if summary.ci95 is None:
    return join()
  ends = [min(max(at(x), 0), WIDTH) for x in summary.pi95]
  left, right = map(at, summary.ci95)
  bar = element(
    "rect",
    x=left,
    y=MIDDLE - 4,
    width=max(round(right - left, 1), 1),
    height=8,
    rx=2,
    class_="mean",
  )
  return join(_line(ends[0], MIDDLE, ends[1], MIDDLE, "further"), bar)


def _seeds(result: Result, at: Scale) -> Markup:
  dots = [
    element("circle", cx=at(x), cy=MIDDLE, r=2.6, class_="seed")
    for x in result.values
  ]
  return join(*dots)


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> Markup:
  return element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=kind)


def _spoken(result: Result) -> str:
  """What the drawing shows, in words."""
  shown, summary = lambda x: value(result, x), result.summary
  parts = [f"values {', '.join(map(shown, result.values))}"]
  if summary.ci95:
    parts.append(f"mean's interval {' to '.join(map(shown, summary.ci95))}")
    parts.append(f"a further seed {' to '.join(map(shown, summary.pi95))}")
  if result.reference:
    parts.append(f"reference {shown(result.reference.value)}")
  if result.row.target is not None:
    parts.append(f"target {shown(result.row.target)}")
  return "; ".join(parts)
