"""Which form, type or option is the faster one."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from benchmarks.accelerator.cases import COMPARED
from benchmarks.accelerator.states import MEASURED

LEAST = 1.03  # times faster in every turn, to count
# Operations whose default is not chosen by its speed.
REASONS = {
  "dense_gradient": "for the bits of its sums",
  "gelu": "for the memory it saves",
  "layer_norm": "for the memory it saves",
}


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


def _ratio(rows, field: str, new: str, old: str) -> str:
  return f"{rows[new][field] / rows[old][field]:.2f}x"


def _line(operation: str, rows: Sequence[Mapping[str, Any]]) -> str:
  shown = "; ".join(map(_times, rows))
  default, best = rows[0]["default"], winner(rows)
  if best is None:
    return f"{operation}: {shown}: no form wins, {default} stays"
  if best == default:
    return f"{operation}: {shown}: {default} stays"
  if reason := REASONS.get(operation):
    return f"{operation}: {shown}: {best} wins, {default} stays {reason}"
  return (
    f"{operation}: {shown}: make {best!r} the default, in place of {default!r} "
    "(vision_jax/forms/choice.py)"
  )


def winner(rows: Sequence[Mapping[str, Any]]) -> str | None:
  """Returns the form that wins for a shape and loses for none, or None."""
  winners = {fastest(row["turn_ms"]) for row in rows} - {None}
  return winners.pop() if len(winners) == 1 else None


def fastest(turn_ms: Mapping[str, Sequence[float]]) -> str | None:
  """Returns the form that is LEAST times faster than each other, or None.

  In every turn, since they took turns.
  """
  for name, times in turn_ms.items():
    others = (x for other, x in turn_ms.items() if other != name)
    if all(
      b >= LEAST * a for x in others for a, b in zip(times, x, strict=True)
    ):
      return name
  return None


def _times(row: Mapping[str, Any]) -> str:
  """Each form's time, and of what the first one's it is, over the turns."""
  first, *others = row["turn_ms"]
  parts = [f"{first} {row['ms'][first]:.3f} ms"]
  for other in others:
    turns = zip(row["turn_ms"][other], row["turn_ms"][first], strict=True)
    ratios = sorted(a / b for a, b in turns)
    parts.append(
      f"{other} {row['ms'][other]:.3f} ms ({ratios[0]:.2f} to "
      f"{ratios[-1]:.2f} of it)"
    )
  return ", ".join(parts)
