"""Results as tables: markdown for files, aligned text for a terminal."""

import collections
import functools
import textwrap
from collections.abc import Sequence

from benchmarks import environment, statistics
from benchmarks.report import markdown
from benchmarks.report.markdown import escape
from benchmarks.result import Result
from vision_jax.report.clock import CLOCK

COLUMNS = (
  "row",
  "data",
  "result",
  "a further seed",
  "weights",
  "seeds",
  "reference",
  "verdict",
  "target",
  "hardware",
)
DIGEST = ("row", "data", "result", "reference", "verdict", "target")
SPEED_COLUMNS = (
  "row",
  "images/s",
  "step p50 / p95 ms",
  "data wait",
  "compile s",
  "peak memory",
  "FLOPs a step",
  "MFU",
  "a seed takes",
)
VERDICTS = (
  *(statistics.REPRODUCED, statistics.BETTER, statistics.MISSED),
  statistics.NOT_COMPARABLE,
)
STALE = "to be measured again"  # by an earlier form of the clock

# What stands in the README without a fold: title -> which results.
FIRST = {
  "On a CPU, with nothing to download:": lambda x: (
    x.row.needs == "cpu" and not (x.row.data or x.row.source or x.row.backbone)
  ),
  "Beside published numbers, by their protocol:": lambda x: (
    x.verdict in (statistics.REPRODUCED, statistics.BETTER, statistics.MISSED)
  ),
}

LEGEND = (
  "In percent where no unit stands: mean ± standard deviation [95 % interval "
  "of the mean] over the seeds; the value of a further seed is in its own "
  "interval 95 times of 100. Averaged weights are those of an exponential "
  "moving average; a row takes the kind by which its config chooses a "
  "checkpoint."
)


def result_cells(result: Result) -> list[str]:
  """Returns the cells of `COLUMNS`."""
  run = bool(result.values)
  return [
    result.row.name,
    result.row.dataset,
    _metric(result),
    further(result),
    result.row.weights,
    str(len(result.seeds)) if run else "",
    _published(result),
    result.verdict,
    _target(result),
    environment.describe(result.hardware) if run else "",
  ]


def speed_cells(result: Result) -> list[str]:
  """Returns the cells of `SPEED_COLUMNS`; what is not known stays blank."""
  speed, stale = result.speed, result.clock != CLOCK
  compile_s = _number(speed["compile_s"], "{:.1f}")
  p50, p95 = speed["step_p50_ms"], speed["step_p95_ms"]
  timed = [
    _number(speed["images_per_s"], "{:,.0f}"),
    f"{_number(p50, '{:.1f}')} / {_number(p95, '{:.1f}')}",
    _number(speed["data_wait_share"], "{:.1%}"),
    _number(result.mfu, "{:.1%}"),
  ]
  rate, steps, wait, mfu = (STALE if stale and x else x for x in timed)
  return [
    result.row.name,
    rate,
    steps,
    wait,
    f"{compile_s} ({_cache(speed['compile_cached'])})" if compile_s else "",
    _number(speed["peak_memory_bytes"], "{:,.0f} MB", 1e-6),
    _number(speed["flops_per_step"], "{:.3g} G", 1e-9),
    mfu,
    _number(result.seconds, "{:,.0f} s"),
  ]


def _cache(cached: float | None) -> str:
  known = {None: "cache not known", 0.0: "cold", 1.0: "cached"}
  return known.get(cached, "partly cached")


def value(result: Result, number: float) -> str:
  """Shows a metric in the row's unit: 0.9125 as "91.25", nats as they are."""
  return f"{number * (100 if result.row.unit == '%' else 1):.2f}"


def _with_unit(result: Result, text: str) -> str:
  return text if result.row.unit == "%" else f"{text} {result.row.unit}"


def _metric(result: Result) -> str:
  summary = result.summary
  if summary is None:
    return ""
  text = value(result, summary.mean)
  if summary.sd is not None:
    low, high = (value(result, x) for x in summary.ci95)
    text += f" ± {value(result, summary.sd)} [{low}, {high}]"
  return _with_unit(result, text)


def further(result: Result) -> str:
  """Shows the 95 % interval of a further seed's value; "" of one seed."""
  if result.summary is None or result.summary.pi95 is None:
    return ""
  low, high = (value(result, x) for x in result.summary.pi95)
  return f"[{low}, {high}]"


def _published(result: Result) -> str:
  reference = result.reference
  if reference is None:
    return ""
  recalled = " (recalled)" if reference.evidence == "recalled" else ""
  return value(result, reference.value) + recalled


def _target(result: Result) -> str:
  if result.row.target is None:
    return ""
  met = {True: ": met", False: ": missed", None: ""}[result.target_met]
  return _with_unit(result, value(result, result.row.target)) + met


def _number(value: float | None, form: str, scale: float = 1.0) -> str:
  return "" if value is None else form.format(value * scale)


def plain(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
  """Returns a table for a terminal; columns that are empty are left out."""
  used = [i for i in range(len(columns)) if any(row[i] for row in rows)]
  table = [[columns[i] for i in used]] + [
    [row[i] for i in used] for row in rows
  ]
  widths = [max(map(len, column)) for column in zip(*table, strict=True)]
  table.insert(1, ["-" * width for width in widths])
  return "\n".join(
    "  ".join(
      cell.ljust(width) for cell, width in zip(row, widths, strict=True)
    ).rstrip()
    for row in table
  )


def on_screen(results: Sequence[Result]) -> str:
  """Returns the table that a benchmark run ends with."""
  text = plain(COLUMNS, [result_cells(x) for x in results])
  return f"{text}\n{LEGEND}"


def results_markdown(results: Sequence[Result]) -> str:
  """Returns the metrics with linked references, and the speeds."""
  text = f"{LEGEND}\n\n{_linked(COLUMNS, results)}"
  speeds = [list(map(escape, speed_cells(x))) for x in results if x.values]
  return text + ("\n" + markdown.table(SPEED_COLUMNS, speeds) if speeds else "")


def digest(results: Sequence[Result]) -> str:
  """Returns the metrics in narrow tables, those that a reader can check first.

  What a CPU gives without a download; then what stands beside a published
  number of the same protocol; and the rest behind a fold.
  """
  rest, parts = list(results), []
  for title, belongs in FIRST.items():
    if found := [x for x in rest if belongs(x)]:
      parts.append(f"{title}\n\n{_linked(DIGEST, found)}")
      rest = [x for x in rest if not belongs(x)]
  if rest:
    title = f"{len(rest)} more, on other data or by another protocol"
    summary = f"<details><summary>{title}</summary>"
    parts.append(f"{summary}\n\n{_linked(DIGEST, rest)}\n</details>\n")
  return "\n".join(parts)


def _linked(columns: Sequence[str], results: Sequence[Result]) -> str:
  """A table of some of `COLUMNS`, its references linked."""
  rows = []
  for result in results:
    cells = dict(zip(COLUMNS, map(escape, result_cells(result)), strict=True))
    if reference := result.reference:
      cells["reference"] = markdown.link(
        _published(result), reference.source_url
      )
    rows.append([cells[name] for name in columns])
  return markdown.table(columns, rows)


def proofs(results: Sequence[Result]) -> str:
  """Returns what the results show, as items of a list."""
  files = [x for x in results if x.row.source]
  judged = [x for x in files if x.verdict != statistics.NOT_COMPARABLE]
  again = [x for x in judged if x.verdict == statistics.REPRODUCED]
  known = [x for x in files if x.row.within is not None]
  met = [x for x in known if x.target_met]
  counts = collections.Counter(x.verdict for x in results)
  tally = ", ".join(
    f"{counts[verdict]} `{verdict}`" for verdict in VERDICTS if counts[verdict]
  )
  items = [
    f"- **Published files give their published numbers.** {len(files)} files "
    "of others are evaluated by our readers, loaders and metrics. "
    f"{len(judged)} of them can be held to a published number, and "
    f"{len(again)} of these reproduce it; {len(met)} of {len(known)} give what "
    "a rebuild by other code gave.",
    f"- **A number is a verified object.** {len(results)} rows were run and "
    "are kept, each with its recipe, seeds, interval, hardware, speed, "
    f"reference with source, and a verdict with its reason: {tally}.",
  ]
  fill = functools.partial(textwrap.fill, width=80, subsequent_indent="  ")
  return "".join(f"{fill(item)}\n" for item in items)


def differences(results: Sequence[Result]) -> str:
  """Returns one item for each reason not to compare, and the rows it is for."""
  reasons: dict[str, dict[str, None]] = {}
  for result in results:
    if result.differs:
      reasons.setdefault(result.differs, {})[result.row.name] = None
  return "".join(
    f"- {escape(', '.join(rows))}: {escape(reason)}.\n"
    for reason, rows in reasons.items()
  )


def notes(results: Sequence[Result]) -> str:
  """Returns one item a row: protocols, source, tolerance, reason, command."""
  return "".join(map(_note, results))


def _note(result: Result) -> str:
  row = result.row
  parts = [f"- **{escape(row.name)}**: {escape(row.protocol)}."]
  if reference := result.reference:
    source = markdown.link(reference.source_title, reference.source_url)
    tolerance = value(result, row.tolerance)
    parts.append(
      f"Reference: {escape(reference.model)}, {source}, {reference.evidence}, "
      f"{escape(reference.protocol)}. Tolerance {tolerance}."
    )
  if also := result.also:
    shown = ", ".join(f"{n} {value(result, x)}" for n, x in also.items())
    parts.append(f"Also {escape(shown)}.")
  if result.differs:
    parts.append(f"Differs: {escape(result.differs)}.")
  if result.reason:
    parts.append(f"{result.verdict.capitalize()}: {escape(result.reason)}.")
  if result.cause:
    parts.append(f"Falls short: {escape(result.cause)}.")
  if result.seconds_to is not None and result.clock == CLOCK:
    parts.append(
      f"Reached {value(result, row.time_to)} after {result.seconds_to:.1f} s "
      "of training, evaluations in between included, compilation not."
    )
  parts.append(markdown.code(result.command))
  return " ".join(parts) + "\n"


def failed(results: Sequence[Result]) -> list[str]:
  """Returns the names of the rows that broke."""
  return [x.row.name for x in results if x.verdict == statistics.FAILED]
