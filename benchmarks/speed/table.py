"""Speed rows as text: on the screen, in a report, in the README."""

import json
import pathlib
from collections.abc import Sequence
from typing import Any

from benchmarks import environment
from benchmarks.report import markdown
from benchmarks.report.tables import STALE

VERSIONS = ("python", "jax", "flax")
# How steps are timed, for whoever keeps the times: raised where that changes.
# 1 dispatched a whole block ahead, as no run does, and a CPU is slower so.
TIMING = 2


def read(folder: pathlib.Path) -> list[dict[str, Any]]:
  """Returns the speed rows of a folder's .jsonl files."""
  texts = [f.read_text("utf-8") for f in sorted(folder.glob("*.jsonl"))]
  rows = [json.loads(text) for text in "\n".join(texts).splitlines() if text]
  return [row for row in rows if row.get("kind") == "speed"]


def page(rows: Sequence[dict[str, Any]]) -> str:
  """Returns a table for each machine, version and command."""
  groups: dict[str, list[dict[str, Any]]] = {}
  for row in rows:
    groups.setdefault(_conditions(row), []).append(row)
  return "\n".join(
    f"{conditions}\n\n| row | numbers |\n| --- | --- |\n"
    + "".join(map(table_line, some))
    for conditions, some in groups.items()
  )


def _conditions(row: dict[str, Any]) -> str:
  versions = ", ".join(f"{k} {row['versions'][k]}" for k in VERSIONS)
  text = (
    f"{environment.describe(row['hardware'])}; {versions}; commit "
    f"{row['git_commit'][:12]}; {row['date'][:10]}"
  )
  return f"{markdown.escape(text)}; {markdown.code(row['command'])}"


def line(row: dict[str, Any]) -> str:
  """Returns a row as one line for the screen."""
  return f"{row['row']:<28} {numbers(row)}"


def table_line(row: dict[str, Any]) -> str:
  """Returns a row of the report's table."""
  cells = map(markdown.escape, (row["row"], numbers(row)))
  return f"| {' | '.join(cells)} |\n"


def numbers(row: dict[str, Any]) -> str:
  """Returns what a row measured, in words.

  Not where steps were timed in an earlier form.
  """
  of_steps = "share" in row or "step_p50_ms" in row
  if of_steps and row.get("timing", 1) != TIMING:
    return STALE
  if "share" in row:
    return f"{_share(row)} ({row['model']})"
  if "form_ms" in row:
    times = row["form_ms"].items()
    return ", ".join(f"{name} {_duration(ms / 1e3)}" for name, ms in times)
  if "work" in row:
    times = (row["seconds"], row["best_seconds"], row["cpu_seconds"])
    median, best, cpu = map(_duration, times)
    return f"{median}, best {best}, CPU {cpu} ({row['work']})"
  if "examples_per_s" in row:
    rate = row["examples_per_s"]
    return row["note"] if rate is None else f"{rate:,} examples/s"
  cached = "cached" if row["compile_cached"] else "cold"
  parts = [
    f"{row['images_per_s']:,.1f} images/s",
    f"p50 {row['step_p50_ms']:.1f} ms, p95 {row['step_p95_ms']:.1f} ms",
    f"compile {row['compile_s']:.1f} s ({cached})",
    f"peak {row['peak_bytes'] / 2**30:.2f} GiB",
    f"{row['flops_per_step'] / 1e9:,.1f} GFLOP a step",
  ]
  if row["mfu"] is not None:
    parts.append(f"MFU {row['mfu']:.1%}")
  if "dispatch_ms" in row and row["device_kind"] != "cpu":
    parts.append(f"dispatch {row['dispatch_ms']:.2f} ms")
  if "plain_images_per_s" in row:
    parts.append(_speedup(row))
  return "; ".join(parts)


def _speedup(row: dict[str, Any]) -> str:
  """The two rates' quotient, and its range over the turns."""
  plain = f"{row['plain_images_per_s']:,.1f} untuned"
  ratio = row["images_per_s"] / row["plain_images_per_s"]
  turns = zip(row["turn_ms"]["off"], row["turn_ms"]["auto"], strict=True)
  ratios = [ratio, *(off / auto for off, auto in turns)]
  text = f"{min(ratios):.2f} to {max(ratios):.2f}"
  if _distinguishable(ratios, 1.0):
    return f"{ratio:.2f}x ({text}) of {plain}"
  return f"not distinguishable from {plain} ({text}x)"


def _share(row: dict[str, Any]) -> str:
  """What part of a step something takes, and its range over the pairs."""
  text = f"{row['share']:.1%} of a step"
  if "shares" not in row:
    return text
  spread = f"{min(row['shares']):.1%} to {max(row['shares']):.1%}"
  if _distinguishable(row["shares"], 0.0):
    return f"{text} ({spread})"
  return f"not distinguishable from nothing ({spread} of a step)"


def _distinguishable(values: Sequence[float], nothing: float) -> bool:
  """Whether all turns are on one side of what no effect would give."""
  return min(values) > nothing or max(values) < nothing


def _duration(seconds: float) -> str:
  return f"{seconds:.2f} s" if seconds >= 0.1 else f"{1e3 * seconds:.2f} ms"
