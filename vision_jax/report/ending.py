"""What a run says at its end: its metrics as a table, its files, what next."""

import shlex
from collections.abc import Mapping

MOST_ROWS = 12


def ending(
  metrics: Mapping[str, float], *, workdir: str | None, next_mode: str | None
) -> list[str]:
  """Returns the lines that a finished run ends with.

  Args:
    metrics: its last step's metrics, by name.
    workdir: the run's folder; None where nothing is kept.
    next_mode: what one does with a run of this kind.
  """
  lines = table(metrics)
  if workdir:
    lines.append(
      f"Written: {workdir}/ (metrics.jsonl, checkpoints, TensorBoard)"
    )
  if workdir and next_mode:
    place = "--images=FILES " * (next_mode == "predict")
    lines.append(
      f"Next: python -m vision_jax.main --mode={next_mode} {place}"
      f"--workdir={shlex.quote(workdir)}"
    )
  return lines


def table(metrics: Mapping[str, float]) -> list[str]:
  """Returns evaluations' metrics, a row each, a column for each evaluation.

  Those of single classes, and more than MOST_ROWS, are counted in a last line.
  """
  rows: dict[str, dict[str, float]] = {}
  columns: dict[str, None] = {}
  for name, value in metrics.items():
    column, row = _place(name)
    if row:
      columns[column] = None
      rows.setdefault(row, {})[column] = value
  shown = [x for x in rows if "/" not in x][:MOST_ROWS]
  if not shown:
    return []
  cells = [["", *columns]]
  for row in shown:
    found = [rows[row].get(column) for column in columns]
    cells.append([row, *("" if x is None else f"{x:.4g}" for x in found)])
  lines = _aligned(cells)
  if more := len(rows) - len(shown):
    lines.append(f"and {more} more (of single classes, ...) in metrics.jsonl")
  return lines


def _place(name: str) -> tuple[str, str]:
  """The column and the row of a metric; no row for what is no evaluation's."""
  first, _, rest = name.partition("/")
  if first in ("train", "time", "flops", "memory", "data"):
    return "", ""
  if rest.startswith("ema/"):
    return f"{first}/ema", rest.removeprefix("ema/")
  return first, rest


def _aligned(cells: list[list[str]]) -> list[str]:
  widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
  lines = []
  for first, *rest in cells:
    numbers = [f"{x:>{w}}" for x, w in zip(rest, widths[1:], strict=True)]
    lines.append("  ".join([f"{first:<{widths[0]}}", *numbers]).rstrip())
  return lines
