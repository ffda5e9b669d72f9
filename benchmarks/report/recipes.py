"""The list of recipes: of each config what it is, its numbers, its command."""

import ast
import functools
import json
from collections.abc import Iterator, Mapping

from benchmarks import environment
from benchmarks.concept import trains
from benchmarks.references import load
from benchmarks.report import markdown as md
from benchmarks.report.tables import value
from benchmarks.result import Result
from benchmarks.row import Row
from benchmarks.suite import SUITES

ROOT = environment.ROOT
MEMORY = "benchmarks/results/memory.json"
FLOAT = 4  # bytes of a parameter's gradient
COLUMNS = (
  *("recipe", "data", "result", "reference", "parameters", "FLOPs a step"),
  *("a seed takes", "on", "command"),
)
HEAD = """\
## Recipes

Each config, and below it the benchmark rows that are another variant of it, or
change its values. `parameters` are those that the config as it stands trains,
counted by shapes; what was measured (with `FLOPs a step` of all devices) is of
the committed results, and a line without a result was not run here, or is no
benchmark row. A percentage where no unit stands; *recalled* references decide
nothing. Commands are flags of `python -m vision_jax.main`, which takes a
`--workdir` too.
"""


def section(known: Mapping[str, Result]) -> str:
  """Returns the section.

  Args:
    known: a result with a number of each row that has one.
  """
  parts, counts = [HEAD], parameters()
  for task, paths in configs().items():
    lines = [x for path in paths for x in _lines(path, known, counts)]
    title = task.replace("_", " ").capitalize()
    parts.append(f"### {title}\n\n{md.table(COLUMNS, lines)}")
  return "\n".join(parts)


def configs() -> dict[str, list[str]]:
  """Returns the configs' paths from the repository's root, by their task."""
  found: dict[str, list[str]] = {}
  for path in sorted((ROOT / "configs").glob("*/[!_]*.py")):
    name = path.relative_to(ROOT).as_posix()
    found.setdefault(path.parent.name, []).append(name)
  return found


@functools.cache
def parameters() -> Mapping[str, int]:
  """Returns how many parameters a config trains, where that was counted.

  By the bytes of a step's gradients, which are float32 whatever is computed in.
  """
  rows = json.loads((ROOT / MEMORY).read_text("utf-8"))["rows"]
  return {
    x["config"]: x["gradient_bytes"] // FLOAT
    for x in rows
    if not x["overrides"]
  }


def rows_of(path: str) -> tuple[Row | None, list[Row]]:
  """Returns the row that a config is as it stands, if any, and its others."""
  rows = [x for some in SUITES.values() for x in some if x.config == path]
  plain = lambda x: not (x.variant or x.overrides or x.source or x.probe)
  lead = next(filter(plain, rows), None)
  return lead, [x for x in rows if x is not lead]


def _lines(
  path: str, known: Mapping[str, Result], counts: Mapping[str, int]
) -> Iterator[list[str]]:
  lead, others = rows_of(path)
  first = _line(lead, known) if lead else [""] * len(COLUMNS)
  first[0] = f"[{path.split('/')[2]}]({path.partition('/')[2]}): {what(path)}"
  first[4] = f"{counts[path]:,}" if path in counts else ""
  if not lead and not path.endswith("/imported.py"):  # which an import writes
    first[-1] = md.code(f"--config={path}")
  yield first
  yield from (_line(row, known) for row in others)


def _line(row: Row, known: Mapping[str, Result]) -> list[str]:
  result = known.get(row.name)
  measured = _measured(result) if result else ["", "", ""]
  return [
    md.code(row.name),
    md.escape(row.dataset),
    _result(result) if result else "",
    _reference(row),
    "",
    *measured,
    md.code(_command(row)),
  ]


def _command(row: Row) -> str:
  """The flags that train a row, import its file, or probe its backbone."""
  if not row.probe:
    return trains(row)
  flags = " ".join(f"--{k}={x}" for k, x in row.probe.items())
  return f"--mode=probe {flags}"


def _measured(result: Result) -> list[str]:
  flops = result.speed["flops_per_step"]
  return [
    f"{flops / 1e9:.3g} G" if flops else "",
    duration(result.seconds),
    md.escape(environment.describe(result.hardware)),
  ]


def duration(seconds: float | None) -> str:
  """Returns seconds as one reads them, "" of none."""
  if seconds is None:
    return ""
  return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def _result(result: Result) -> str:
  """Returns the mean with its deviation, and the verdict."""
  summary, unit = result.summary, result.row.unit
  text = value(result, summary.mean)
  if summary.sd is not None:
    text += f" ± {value(result, summary.sd)}"
  return md.escape(
    f"{text}{'' if unit == '%' else f' {unit}'}, {result.verdict}"
  )


def _reference(row: Row) -> str:
  reference = load().get(row.reference)
  if reference is None:
    return ""
  number = reference.value * (100 if row.unit == "%" else 1)
  recalled = " (recalled)" * (reference.evidence == "recalled")
  return md.link(f"{number:.2f}{recalled}", reference.source_url)


def what(path: str) -> str:
  """Returns the first line of a config's docstring."""
  text = ast.get_docstring(ast.parse((ROOT / path).read_text("utf-8")))
  return md.prose(text.splitlines()[0])
