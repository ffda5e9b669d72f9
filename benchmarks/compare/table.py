"""What was measured, in one table: a line for everybody and each mode."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks import environment
from benchmarks.accelerator.states import MEASURED
from benchmarks.compare.models import OURS, PEERS
from benchmarks.report import markdown
from benchmarks.revision import Pairs
from vision_jax.planning.devices import utilisation

Row = Mapping[str, Any]
COLUMNS = (
  *("model", "mode", "batch", "by", "ms", "images/s"),
  *("times as long as ours", "peak memory", "compile", "first step"),
  *("parameters", "MFU", "turns"),
)
LEGEND = (
  "Each turn is a process of its own, and turns alternate. `ms` is of a "
  "training step (cross-entropy, SGD with momentum, on a batch that lies on "
  "the device), or of a forward pass: the median of the turns' medians of "
  "blocks, and the 95 % interval of their geometric mean. How many times as "
  "long as ours is the geometric mean over the turns' pairs, with its 95 % "
  "interval. "
  "Memory is the device's allocator's, on a CPU the whole process's with its "
  "libraries. Nothing is compiled before; to compile is for torch.compile the "
  "first call less a later one, for onnxruntime to load the file. The first "
  "step counts from the start of the process, and ours counts its operations "
  "before. MFU is the share of the card's "
  "dense bf16 peak, by the operations of our net."
)


def page(head: Row, rows: Sequence[Row]) -> str:
  """Returns the table as markdown, with what it was measured on."""
  versions = ", ".join(f"{k} {head[k]}" for k in ("python", "jax", "flax"))
  others = {k: v for row in rows for k, v in row["versions"].items() if v}
  versions += "".join(f", {k} {v[:12]}" for k, v in others.items())
  shown = [list(map(markdown.escape, cells)) for cells in lines(rows)]
  return (
    f"# Beside others, on {markdown.escape(environment.describe(head))}\n\n"
    f"{markdown.code(head['command'])}; {markdown.escape(versions)}; commit "
    f"{head['git_commit'][:12]}; {head['date'][:10]}.\n\n"
    f"{markdown.table(COLUMNS, shown)}\n{LEGEND}\n"
  )


def lines(rows: Sequence[Row]) -> list[list[str]]:
  """Returns the cells of `COLUMNS`, a case after another, ours first."""
  cases: dict[str, dict[str, list[Row]]] = {}
  for row in rows:
    cases.setdefault(row["stage"], {}).setdefault(row["by"], []).append(row)
  return [
    cells(by[name], by.get(OURS, ()))
    for by in cases.values()
    for name in (OURS, *PEERS)
    if name in by
  ]


def cells(rows: Sequence[Row], ours: Sequence[Row]) -> list[str]:
  """Returns the cells of one line, from somebody's turns and ours."""
  first, times = rows[0], _times(rows)
  side, size = first["image_size"], first["batch_size"]
  batch = f"{size} of {side} x {side}, {first['dtype']}"
  start = [first["model"], first["mode"], batch, first["by"]]
  if not times:
    last = rows[-1]
    blank = [""] * (len(COLUMNS) - len(start) - 1)
    return [*start, f"{last['state']}: {last['why']}", *blank]
  done = [row for row in rows if row["state"] == MEASURED]
  middle = lambda name: _median([row.get(name) for row in done])
  step = statistics.median(times.values())
  return [
    *start,
    f"{step:.2f}{_interval(_spread(times), '.2f')}",
    f"{1e3 * size / step:,.1f}",
    "" if first["by"] == OURS else _ratio(_times(ours), times),
    _shown(middle("peak_bytes"), "{:,.0f} MB", 1e-6),
    _shown(middle("compile_s"), "{:.1f} s"),
    _shown(middle("first_s"), "{:.1f} s"),
    f"{done[0]['own_parameters']:,}",
    _shown(_mfu(ours, step), "{:.1%}"),
    str(len(times)),
  ]


def pairs(ours: Mapping[int, float], theirs: Mapping[int, float]) -> Pairs:
  """Returns the turns that both have, by their milliseconds."""
  both = sorted({*ours} & {*theirs})
  side = lambda times: [times[turn] for turn in both]
  return Pairs("", side(ours), side(theirs))


def _times(rows: Sequence[Row]) -> dict[int, float]:
  """Turn -> milliseconds, of those that were measured."""
  return {
    row["turn"]: row["step_ms"] for row in rows if row["state"] == MEASURED
  }


def _spread(times: Mapping[int, float]) -> tuple[float, float] | None:
  """The interval of the geometric mean, which no time below 0 is in."""
  return pairs(dict.fromkeys(times, 1.0), times).interval


def _ratio(ours: Mapping[int, float], theirs: Mapping[int, float]) -> str:
  found = pairs(ours, theirs)
  if not found.now:
    return "ours was not measured"
  return f"{found.ratio:.2f}{_interval(found.interval, '.2f')}"


def _interval(ends: tuple[float, float] | None, form: str) -> str:
  return "" if ends is None else f" [{ends[0]:{form}}, {ends[1]:{form}}]"


def _mfu(ours: Sequence[Row], step_ms: float) -> float | None:
  """The share of the peak that the operations of our net take in a step."""
  row = next((x for x in ours if x["state"] == MEASURED), None)
  if row is None:
    return None
  return utilisation(row["flops_per_step"], step_ms, row["device_kind"], 1)


def _median(values: Sequence[float | None]) -> float | None:
  known = [value for value in values if value is not None]
  return statistics.median(known) if known else None


def _shown(value: float | None, form: str, scale: float = 1.0) -> str:
  return "" if value is None else form.format(value * scale)
