"""A result as a line that opens: its numbers, and below them all the rest."""

from benchmarks import environment
from benchmarks.page import confusion, curves, detection, images, interval
from benchmarks.page.left import Left
from benchmarks.page.markup import Markup, element, join, link
from benchmarks.page.provenance import provenance
from benchmarks.report import tables
from benchmarks.result import Result
from benchmarks.suite import suite_of

COLUMNS = (
  ("name", "row"),
  ("result", "result"),
  ("values", "values and intervals"),
  ("reference", "reference"),
  ("verdict", "verdict"),
  ("rate", "images/s"),
  ("memory", "memory"),
  ("seconds", "a seed"),
)


def task_of(result: Result) -> str:
  """Returns the folder of the row's config: classification, detection ..."""
  return result.row.config.split("/")[1].replace("_", " ")


def hardware_of(result: Result) -> str:
  """Returns what a result was measured on; "" of one that was not."""
  return environment.describe(result.hardware) if result.values else ""


def head() -> Markup:
  """Returns the names of the columns."""
  cells = [element("span", text, class_=kind) for kind, text in COLUMNS]
  return element("div", *cells, class_="head", aria_hidden="true")


def line(result: Result, left: Left, name: str, most: int) -> Markup:
  """Returns a row.

  Args:
    result: what was measured, or why nothing was.
    left: what its runs have left to draw.
    name: the element's, unique in the page.
    most: bytes of an image.
  """
  return element(
    "details",
    element("summary", *_cells(result)),
    element("div", *_inside(result, left, most), class_="inside"),
    class_="row" if result.values else "row absent",
    id=name,
    data_row=result.row.name,
    data_suite=suite_of(result.row),
    data_task=task_of(result),
    data_verdict=result.verdict,
    data_hardware=hardware_of(result),
  )


def pill(verdict: str) -> Markup:
  """Returns a verdict in its colour."""
  return element("span", verdict, class_=f"pill {kind(verdict)}")


def kind(verdict: str) -> str:
  """Returns the verdict as the name of a style."""
  return verdict.replace(" ", "-")


def _cells(result: Result) -> list[Markup]:
  row, run = result.row, bool(result.values)
  speed = dict(
    zip(tables.SPEED_COLUMNS, tables.speed_cells(result), strict=True)
  )
  rate = speed["images/s"]
  stale = rate == tables.STALE
  cells = {
    "name": _two(_broken(row.name), f"{row.dataset} · {row.metric}"),
    "result": _two(_mean(result), _seeds(result)) if run else "",
    "values": interval.drawing(result) if run else "",
    "reference": _reference(result),
    "verdict": join(pill(result.verdict), _target(result)),
    "rate": element("span", "–", title=tables.STALE) if stale else rate,
    "memory": speed["peak memory"],
    "seconds": _duration(result.seconds),
  }
  return [element("span", cells[k], class_=k) for k, _ in COLUMNS]


def _broken(name: str) -> Markup:
  """A name that a narrow column breaks behind an underscore."""
  first, *rest = name.split("_")
  return join(first, *(join("_", element("wbr"), x) for x in rest))


def _two(first: object, second: object) -> Markup:
  return join(element("b", first), element("small", second))


def _mean(result: Result) -> str:
  summary = result.summary
  text = tables.value(result, summary.mean)
  if summary.sd is not None:
    text += f" ± {tables.value(result, summary.sd)}"
  return f"{text} {result.row.unit}"


def _seeds(result: Result) -> str:
  number = len(result.seeds)
  weights = ", averaged weights" * (result.row.weights == "averaged")
  return f"{number} seed{'s' * (number > 1)}{weights}"


def _reference(result: Result) -> Markup:
  reference = result.reference
  if reference is None:
    return join()
  number = link(tables.value(result, reference.value), reference.source_url)
  recalled = ", recalled" * (reference.evidence == "recalled")
  return _two(number, f"{reference.model}{recalled}")


def _target(result: Result) -> Markup:
  if result.row.target is None:
    return join()
  met = {True: "met", False: "missed", None: ""}[result.target_met]
  text = f"target {tables.value(result, result.row.target)} {met}"
  return element("small", text.strip())


def _duration(seconds: float | None) -> str:
  if seconds is None:
    return ""
  if seconds < 100:
    return f"{seconds:.0f} s"
  return (
    f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
  )


def _inside(result: Result, left: Left, most: int) -> list[Markup]:
  parts = [words(result)]
  drawn = [
    *curves.charts(left.courses),
    *([confusion.matrix(left.confusion)] if left.confusion else []),
    *(detection.charts(left.detection) if left.detection else []),
  ]
  if drawn:
    parts.append(element("div", *drawn, class_="charts"))
  found = [images.shown(name, data, most) for name, data in left.images]
  if any(found):
    parts.append(element("div", *found, class_="images"))
  return [*parts, _also(result), _speed(result), provenance(result)]


def words(result: Result) -> Markup:
  """Why it stands as it does, in a sentence or two."""
  protocol = result.row.protocol
  sentences = [f"{protocol[:1].upper()}{protocol[1:]}."]
  if result.reason:
    sentences.append(f"{result.verdict.capitalize()}: {result.reason}.")
  if result.cause:
    sentences.append(f"Falls short: {result.cause}.")
  if result.differs and result.reference:
    sentences.append(f"Not comparable: {result.differs}.")
  if result.row.higher_is_better is False:
    sentences.append("Lower is better.")
  if result.summary and result.summary.pi95:
    mean = [tables.value(result, x) for x in result.summary.ci95]
    sentences.append(
      f"95\u00a0% intervals: [{mean[0]}, {mean[1]}] of the mean, "
      f"{tables.further(result)} of a further seed."
    )
  return element("p", " ".join(sentences), class_="words")


def _also(result: Result) -> Markup:
  """The other metrics as they were logged: each has a unit of its own."""
  if not result.also:
    return join()
  pairs = [
    element("div", element("dt", name), element("dd", f"{number:.4g}"))
    for name, number in result.also.items()
  ]
  return join(element("h4", "Also"), element("dl", *pairs, class_="also"))


def _speed(result: Result) -> Markup:
  if not result.values:
    return join()
  named = zip(tables.SPEED_COLUMNS, tables.speed_cells(result), strict=True)
  pairs = [
    element("div", element("dt", name), element("dd", text))
    for name, text in named
    if name != "row" and text.strip(" /")
  ]
  if not pairs:
    return join()
  return join(
    element("h4", "Speed and memory"), element("dl", *pairs, class_="also")
  )
