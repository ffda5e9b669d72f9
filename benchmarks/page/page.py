"""The whole page: what is in it is in one file, and nothing is fetched."""

import base64
import collections
import dataclasses
import functools
import hashlib
import pathlib
from collections.abc import Iterable, Mapping, Sequence

from benchmarks import statistics
from benchmarks.against import Comparison
from benchmarks.page import beside, images, left, rows
from benchmarks.page.markup import Markup, element, join
from benchmarks.result import Result
from benchmarks.suite import suite_of

HERE = pathlib.Path(__file__).parent
FILTERS = ("suite", "task", "verdict", "hardware")
ORDER = (
  *(statistics.REPRODUCED, statistics.BETTER, statistics.MISSED),
  *(statistics.NOT_COMPARABLE, statistics.FAILED, statistics.NOT_RUN),
)


@dataclasses.dataclass(frozen=True)
class Contents:
  """What a page shows.

  Attributes:
    title: its heading.
    results: in the order shown, run or not.
    runs: the folder with their workdirs, see `left.of`; None for none.
    suites: a folder in which images of whole suites lie; None for none.
    beside: the results beside earlier ones; None where none were asked for.
    doubts: what does not add up, a sentence each.
  """

  title: str
  results: Sequence[Result]
  runs: pathlib.Path | None = None
  suites: pathlib.Path | None = None
  beside: Sequence[Comparison] | None = None
  doubts: Sequence[str] = ()


def page(contents: Contents) -> str:
  """Returns the page."""
  body = element(
    "body",
    _header(contents),
    _doubts(contents.doubts),
    beside.section(contents.beside),
    _filters(contents.results),
    element("main", _suites(contents)),
    _legend(),
    element("script", _file("page.js")),
  )
  return f"<!doctype html>\n{element('html', _head(contents), body, lang='en')}"


def _head(contents: Contents) -> Markup:
  """Says that nothing runs or is fetched but what is here."""
  policy = "; ".join(
    [
      "default-src 'none'",
      "img-src data:",
      f"style-src {_fingerprint('page.css')}",
      f"script-src {_fingerprint('page.js')}",
    ]
  )
  return element(
    "head",
    element("meta", charset="utf-8"),
    element("meta", http_equiv="Content-Security-Policy", content=policy),
    element(
      "meta", name="viewport", content="width=device-width, initial-scale=1"
    ),
    element("title", contents.title),
    element("style", _file("page.css")),
  )


@functools.cache
def _file(name: str) -> Markup:
  return Markup((HERE / name).read_text("utf-8"))


def _fingerprint(name: str) -> str:
  digest = hashlib.sha256(_file(name).encode()).digest()
  return f"'sha256-{base64.b64encode(digest).decode()}'"


def _header(contents: Contents) -> Markup:
  run = [x for x in contents.results if x.values]
  newest = max((x.date for x in run), default="")[:10]
  machines = len({rows.hardware_of(x) for x in run})
  parts = [
    _many(len(run), "result"),
    _many(len({x.row.name for x in contents.results}), "row"),
    f"{_many(machines, 'kind')} of machine",
    *([f"newest of {newest}"] if newest else []),
  ]
  return element(
    "header",
    element("h1", contents.title),
    element("p", " · ".join(parts), class_="sub"),
    _tally(contents.results),
  )


def _many(number: int, name: str) -> str:
  return f"{number} {name}{'s' * (number != 1)}"


def _tally(results: Sequence[Result]) -> Markup:
  """How many results have each verdict: buttons that show those alone."""
  counts = collections.Counter(x.verdict for x in results)
  buttons = [
    element(
      "button",
      element("b", counts[verdict]),
      f" {verdict}",
      type="button",
      class_=f"tally {rows.kind(verdict)}",
      data_only=verdict,
    )
    for verdict in ORDER
    if counts[verdict]
  ]
  return element("div", *buttons, class_="tallies")


def _doubts(doubts: Sequence[str]) -> Markup:
  if not doubts:
    return join()
  items = [element("li", text) for text in doubts]
  return element(
    "section",
    element("h2", "What does not add up"),
    element("ul", *items),
    class_="doubts",
  )


def _filters(results: Sequence[Result]) -> Markup:
  values = {
    "suite": dict.fromkeys(suite_of(x.row) for x in results),
    "task": sorted({rows.task_of(x) for x in results}),
    "verdict": [v for v in ORDER if any(x.verdict == v for x in results)],
    "hardware": sorted({rows.hardware_of(x) for x in results} - {""}),
  }
  found = element(
    "label",
    element("span", "find"),
    element("input", type="search", id="find", placeholder="row or data"),
  )
  return element(
    "form",
    *(_choice(name, values[name]) for name in FILTERS),
    found,
    element("button", "show all", type="reset"),
    element("output", f"{len(results)} of {len(results)}", id="count"),
    id="filters",
  )


def _choice(name: str, values: Iterable[str]) -> Markup:
  options = [element("option", text, value=text) for text in values]
  return element(
    "label",
    element("span", name),
    element(
      "select",
      element("option", "all", value=""),
      *options,
      data_filter=name,
      autocomplete="off",
    ),
  )


def _suites(contents: Contents) -> Markup:
  found: dict[str, list[Result]] = {}
  for one in contents.results:
    found.setdefault(suite_of(one.row), []).append(one)
  drawn = {id(x): left.of(x, contents.runs) for x in contents.results}
  sheets = {
    name: left.of_suite(name, contents.suites) if contents.suites else []
    for name in found
  }
  number = sum(len(x.images) for x in drawn.values())
  most = images.allowance(number + sum(map(len, sheets.values())))
  names: collections.Counter = collections.Counter()
  sections = [
    _suite(name, some, drawn, sheets[name], most, names)
    for name, some in found.items()
  ]
  return join(*sections)


def _suite(
  name: str,
  results: Sequence[Result],
  drawn: Mapping[int, left.Left],
  sheets: Sequence[tuple[str, bytes]],
  most: int,
  names: collections.Counter,
) -> Markup:
  lines = [
    rows.line(x, drawn[id(x)], _anchor(x, names), most)
    for x in sorted(results, key=lambda x: not x.values)
  ]
  shown = [images.shown(text, data, most) for text, data in sheets]
  extra = (
    element(
      "details",
      element("summary", "Images of the suite"),
      element("div", *shown, class_="images wide"),
      class_="sheet",
    )
    if shown
    else None
  )
  return element(
    "section",
    element("h2", name),
    rows.head(),
    *lines,
    extra,
    class_="suite",
  )


def _anchor(result: Result, names: collections.Counter) -> str:
  """A row's name, numbered where it stands on several machines."""
  names[result.row.name] += 1
  number = names[result.row.name]
  return f"row-{result.row.name}" + (f"-{number}" if number > 1 else "")


def _legend() -> Markup:
  key = lambda kind, text: element("span", text, class_=f"key {kind}")
  keys = [
    key("seed", "a seed"),
    key("mean", "95 % interval of the mean"),
    key("further", "95 % interval of a further seed"),
    key("published", "reference"),
    key("band", "what its tolerance forgives"),
    key("target", "our target"),
  ]
  return element(
    "footer",
    element("p", *keys, class_="keys"),
    element(
      "p",
      "Reproduced and missed are decided by the row's tolerance; better than "
      "expected calls for a look as well; not comparable says that the "
      "protocol is not the reference's. In percent where no unit stands: mean "
      "± standard deviation over the seeds. A further seed is expected within "
      "mean ± t·sd·√(1 + 1/n).",
    ),
  )
