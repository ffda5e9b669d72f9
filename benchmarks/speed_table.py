"""Speed rows as text: on the screen, in a report, in the README."""

import json
import pathlib
from collections.abc import Sequence
from typing import Any

from benchmarks import environment

VERSIONS = ("python", "jax", "flax")


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
    f"{conditions}\n\n| row | figures |\n| --- | --- |\n"
    + "".join(map(table_line, some))
    for conditions, some in groups.items()
  )


def _conditions(row: dict[str, Any]) -> str:
  versions = ", ".join(f"{k} {row['versions'][k]}" for k in VERSIONS)
  return (
    f"{environment.describe(row['hardware'])}; {versions}; commit "
    f"{row['git_commit'][:12]}; {row['date'][:10]}; `{row['command']}`"
  )


def line(row: dict[str, Any]) -> str:
  """Returns a row as one line for the screen."""
  return f"{row['row']:<28} {figures(row)}"


def table_line(row: dict[str, Any]) -> str:
  """Returns a row of the report's table."""
  return f"| {row['row']} | {figures(row)} |\n"


def figures(row: dict[str, Any]) -> str:
  """Returns what a row measured, in words."""
  if "share" in row:
    return f"{row['share']:.1%} of a step ({row['model']})"
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
  if "speedup" in row:
    parts.append(
      f"{row['speedup']:.2f}x of {row['plain_images_per_s']:,.1f} untuned"
    )
  return "; ".join(parts)


def _duration(seconds: float) -> str:
  return f"{seconds:.2f} s" if seconds >= 0.1 else f"{1e3 * seconds:.2f} ms"
