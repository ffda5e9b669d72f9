"""Which form, type or option is the faster one."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from benchmarks.accelerator.cases import COMPARED
from benchmarks.accelerator.states import MEASURED

LEAST = 1.03  # times faster in every turn, to count


def lines(rows: Iterable[Mapping[str, Any]]) -> list[str]:
  """Returns a line for each operation: the winner, and what is to change.

  An operation of several shapes has one verdict: a form has to win somewhere,
  and to lose nowhere.
  """
  found: dict[str, list[Mapping[str, Any]]] = {}
  for row in rows:
    if row["state"] == MEASURED and "turn_ms" in row:
      found.setdefault(row["operation"], []).append(row)
  return [_line(operation, some) for operation, some in found.items()]


def step_lines(rows: Iterable[Mapping[str, Any]]) -> list[str]:
  """Returns a line for each two steps that differ in one thing.

  Each was measured once, in a process of its own: some per cent say nothing.
  """
  known = {x["name"]: x for x in rows if x["stage"] == "steps"}
  known = {k: x for k, x in known.items() if x["state"] == MEASURED}
  return [
    f"{new}: {_ratio(known, 'images_per_s', new, old)} of the images/s of "
    f"{old}, {_ratio(known, 'peak_bytes', new, old)} of its memory"
    for new, old in COMPARED
    if new in known and old in known
  ]


def _ratio(rows, figure: str, new: str, old: str) -> str:
  return f"{rows[new][figure] / rows[old][figure]:.2f}x"


def _line(operation: str, rows: Sequence[Mapping[str, Any]]) -> str:
  told = "; ".join(map(_times, rows))
  default, best = rows[0]["default"], winner(rows)
  if best is None:
    return f"{operation}: {told}: no form wins, {default} stays"
  if best == default:
    return f"{operation}: {told}: {default} stays"
  return (
    f"{operation}: {told}: make {best!r} the default, in place of {default!r} "
    "(vision_jax/core/forms.py)"
  )


def winner(rows: Sequence[Mapping[str, Any]]) -> str | None:
  """Returns the form that wins for a shape and loses for none, or None."""
  winners = {faster(row["turn_ms"]) for row in rows} - {None}
  return winners.pop() if len(winners) == 1 else None


def faster(turn_ms: Mapping[str, Sequence[float]]) -> str | None:
  """Returns the form that is faster by LEAST in every turn, or None."""
  (one, its), (other, theirs) = turn_ms.items()
  ratios = [b / a for a, b in zip(its, theirs, strict=True)]
  if min(ratios) >= LEAST:
    return one
  return other if max(ratios) <= 1 / LEAST else None


def _times(row: Mapping[str, Any]) -> str:
  (one, a), (other, b) = row["ms"].items()
  turns = zip(*row["turn_ms"].values(), strict=True)
  ratios = sorted(y / x for x, y in turns)
  return (
    f"{one} {a:.3f} ms, {other} {b:.3f} ms "
    f"({b / a:.2f}x, {ratios[0]:.2f} to {ratios[-1]:.2f})"
  )
