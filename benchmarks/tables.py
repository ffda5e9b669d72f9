"""Results as tables: markdown for files, aligned text for a terminal."""

from collections.abc import Mapping, Sequence

from benchmarks import environment, statistics

COLUMNS = (
  "row",
  "data",
  "result",
  "seeds",
  "reference",
  "verdict",
  "target",
  "hardware",
)
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


LEGEND = (
  "In percent where no unit stands: mean ± standard deviation [95 % interval "
  "of the mean] over the seeds."
)


def result_cells(line: Mapping) -> list[str]:
  """Returns the cells of `COLUMNS`."""
  return [
    line["row"],
    line["dataset"],
    _figure(line),
    str(len(line["seeds"])) if line["seeds"] else "",
    _published(line),
    line["verdict"],
    _target(line),
    environment.describe(line["hardware"]) if line["seeds"] else "",
  ]


def speed_cells(line: Mapping) -> list[str]:
  """Returns the cells of `SPEED_COLUMNS`; what is not known stays blank."""
  compile_s = _number(line["compile_s"], "{:.1f}")
  return [
    line["row"],
    _number(line["images_per_s"], "{:,.0f}"),
    f"{_number(line['step_p50_ms'], '{:.1f}')} / "
    f"{_number(line['step_p95_ms'], '{:.1f}')}",
    _number(line["data_wait_share"], "{:.1%}"),
    f"{compile_s} ({_cache(line)})" if compile_s else "",
    _number(line["peak_memory_bytes"], "{:,.0f} MB", 1e-6),
    _number(line["flops_per_step"], "{:.3g} G", 1e-9),
    _number(line["mfu"], "{:.1%}"),
    _number(line["seconds"], "{:,.0f} s"),
  ]


def _cache(line: Mapping) -> str:
  known = {None: "cache not known", 0.0: "cold", 1.0: "cached"}
  return known.get(line["compile_cached"], "partly cached")


def value(line: Mapping, number: float) -> str:
  """Shows a figure in the row's unit: 0.9125 as "91.25", nats as they are."""
  return f"{number * (100 if line['unit'] == '%' else 1):.2f}"


def _with_unit(line: Mapping, text: str) -> str:
  return text if line["unit"] == "%" else f"{text} {line['unit']}"


def _figure(line: Mapping) -> str:
  if line["mean"] is None:
    return ""
  text = value(line, line["mean"])
  if line["sd"] is not None:
    low, high = line["ci95"]
    low, high = value(line, low), value(line, high)
    text += f" ± {value(line, line['sd'])} [{low}, {high}]"
  return _with_unit(line, text)


def _published(line: Mapping) -> str:
  reference = line["reference"]
  if reference is None:
    return ""
  recalled = " (recalled)" if reference["evidence"] == "recalled" else ""
  return value(line, reference["value"]) + recalled


def _target(line: Mapping) -> str:
  if line["target"] is None:
    return ""
  met = {True: ": met", False: ": missed", None: ""}[line.get("target_met")]
  return _with_unit(line, value(line, line["target"])) + met


def _number(value: float | None, form: str, scale: float = 1.0) -> str:
  return "" if value is None else form.format(value * scale)


def markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
  """Returns a markdown table."""
  lines = [_row(columns), _row(["---"] * len(columns)), *map(_row, rows)]
  return "\n".join(lines) + "\n"


def _row(cells: Sequence[str]) -> str:
  return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


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


def on_screen(lines: Sequence[Mapping]) -> str:
  """Returns the table that a benchmark run ends with."""
  text = plain(COLUMNS, [result_cells(line) for line in lines])
  return f"{text}\n{LEGEND}"


def results_markdown(lines: Sequence[Mapping]) -> str:
  """Returns the figures with linked references, and the speeds."""
  cells = [result_cells(line) for line in lines]
  for line, row in zip(lines, cells, strict=True):
    place = COLUMNS.index("reference")
    if line["reference"] is not None:
      row[place] = f"[{row[place]}]({line['reference']['source_url']})"
  text = f"{LEGEND}\n\n{markdown(COLUMNS, cells)}"
  run = [line for line in lines if line["mean"] is not None]
  if run:
    text += "\n" + markdown(SPEED_COLUMNS, [speed_cells(x) for x in run])
  return text


def differences(lines: Sequence[Mapping]) -> str:
  """Returns one item for each reason not to compare, and the rows it is for."""
  reasons: dict[str, list[str]] = {}
  for line in lines:
    if line["differs"] and line["row"] not in reasons.get(line["differs"], []):
      reasons.setdefault(line["differs"], []).append(line["row"])
  return "".join(
    f"- {', '.join(rows)}: {reason}.\n" for reason, rows in reasons.items()
  )


def notes(lines: Sequence[Mapping]) -> str:
  """Returns one item a row: protocols, source, tolerance, reason, command."""
  return "".join(map(_note, lines))


def _note(line: Mapping) -> str:
  parts = [f"- **{line['row']}**: {line['protocol']}."]
  if reference := line["reference"]:
    parts.append(
      f"Reference: {reference['model']}, [{reference['source_title']}]"
      f"({reference['source_url']}), {reference['evidence']}, "
      f"{reference['protocol']}. Tolerance {value(line, line['tolerance'])}."
    )
  if also := line.get("also"):
    told = ", ".join(f"{n} {value(line, x)}" for n, x in also.items())
    parts.append(f"Also {told}.")
  if line["differs"]:
    parts.append(f"Differs: {line['differs']}.")
  if line.get("reason"):
    parts.append(f"{line['verdict'].capitalize()}: {line['reason']}.")
  if line.get("seconds_to") is not None:
    target = value(line, line["target"])
    parts.append(
      f"Reached {target} after {line['seconds_to']:.1f} s of "
      "training, evaluations in between included, compilation not."
    )
  parts.append(f"`{line['command']}`")
  return " ".join(parts) + "\n"


def failed(lines: Sequence[Mapping]) -> list[str]:
  """Returns the names of the rows that broke."""
  return [x["row"] for x in lines if x["verdict"] == statistics.FAILED]
