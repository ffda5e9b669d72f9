"""What a result's line says that does not follow from anything else.

Each fact has a form; a line of another form is refused by name.
"""

import datetime
import math
from collections.abc import Callable, Mapping
from typing import Any

from benchmarks import statistics
from benchmarks.finished import SPEED_KEYS
from benchmarks.suite import row_named
from vision_jax.errors import UserError

HARDWARE = ("platform", "device_kind", "device_count", "cpu", "cpu_cores")


def check(line: object) -> dict[str, Any]:
  """Returns the facts of a line, as `Result` takes them but for the row's name.

  Raises:
    UserError: naming the field that is missing or has another form.
  """
  if not isinstance(line, dict):
    raise UserError(f"got {line!r:.100}, expected an object")
  for name, (fits, expected) in (_FORMS | _FORMS_OF_SOME).items():
    if name not in line and name in _FORMS_OF_SOME:
      continue
    if name not in line:
      raise UserError(f"{name} is missing")
    if not fits(line[name]):
      raise UserError(f"{name} is {line[name]!r:.200}, expected {expected}")
  _check_values(line)
  speed = {name: line[name] for name in SPEED_KEYS}
  absent = "" if line["values"] else line["verdict"]
  kept = _FORMS.keys() - SPEED_KEYS.keys() - {"verdict"}
  kept |= _FORMS_OF_SOME.keys() & line.keys()
  return {name: line[name] for name in kept} | {
    "speed": speed,
    "absent": absent,
  }


def _check_values(line: Mapping[str, Any]) -> None:
  """Checks what the facts say together."""
  row, values = row_named(line["row"]), line["values"]
  if len(values) != len(line["seeds"]):
    raise UserError(
      f"values has {len(values)} values of {len(line['seeds'])} seeds"
    )
  if row.unit == "%" and not all(0 <= value <= 1 for value in values):
    raise UserError(f"values is {values}, expected fractions in [0, 1]")
  absent = line["verdict"] in (statistics.NOT_RUN, statistics.FAILED)
  if absent == bool(values):
    raise UserError(
      f"verdict is {line['verdict']!r} with values {values}; a number stands "
      "exactly where a row was run"
    )
  if bool(line["reason"]) != absent:
    raise UserError(f"reason is {line['reason']!r} of a row {line['verdict']}")
  expected, found = set(row.also if values else ()), set(line["also"])
  own = line["variant"] == (row.variant or "full")
  if found - expected or (own and found != expected):
    raise UserError(f"also has {sorted(found)}, expected {sorted(expected)}")
  _check_curves(line, set(row.curves))


def _check_curves(line: Mapping[str, Any], known: set[str]) -> None:
  """Checks that courses are of what the row keeps, and one a seed."""
  later = line.get("later_curves", ())
  if later and len(later) != len(line["seeds"]) - 1:
    raise UserError(
      f"later_curves is of {len(later)} seeds, expected those after the first "
      f"of {len(line['seeds'])}"
    )
  for name, curve in [
    ("curve", line["curve"]),
    *(("later_curves", x) for x in later),
  ]:
    if not set(curve) <= known:
      raise UserError(f"{name} has {sorted(curve)}, the row {sorted(known)}")


def number(value: object) -> bool:
  """Whether it is a finite number, and no bool."""
  real = isinstance(value, int | float) and not isinstance(value, bool)
  return real and math.isfinite(value)


def _text(value: object) -> bool:
  return isinstance(value, str)


def _count(value: object) -> bool:
  return number(value) and isinstance(value, int) and value >= 0


def _amount(value: object) -> bool:
  return value is None or (number(value) and value >= 0)


def _date(value: object) -> bool:
  try:
    return datetime.datetime.fromisoformat(value).tzinfo is not None
  except (TypeError, ValueError):
    return False


def _known_row(value: object) -> bool:
  return _text(value) and row_named(value) is not None


def _seeds(value: object) -> bool:
  whole = isinstance(value, list) and all(map(_count, value))
  return whole and len(set(value)) == len(value)


def _list(of: Callable[[object], bool]) -> Callable[[object], bool]:
  return lambda value: isinstance(value, list) and all(map(of, value))


def _mapping(of: Callable[[object], bool]) -> Callable[[object], bool]:
  return lambda value: isinstance(value, dict) and all(map(of, value.values()))


def _hardware(value: object) -> bool:
  if not isinstance(value, dict):
    return False
  words = ("platform", "device_kind", "cpu")
  return all(_text(value.get(k)) and value[k] for k in words) and all(
    _count(value.get(k)) and value[k] for k in HARDWARE if k not in words
  )


def _point(value: object) -> bool:
  return _list(number)(value) and len(value) == 2


_FORMS: Mapping[str, tuple[Callable[[object], bool], str]] = {
  "row": (_known_row, "a row of a suite"),
  "variant": (_text, "the variant's name"),
  "overrides": (_mapping(_text), "config values as text"),
  "seeds": (_seeds, "distinct whole numbers"),
  "values": (_list(number), "finite numbers"),
  "verdict": (_text, f"one of {', '.join(statistics.VERDICTS)}"),
  "reason": (_text, "text"),
  "also": (_mapping(number), "finite numbers by name"),
  "curve": (_mapping(_list(_point)), "[step, value] pairs by name"),
  **dict.fromkeys(SPEED_KEYS, (_amount, "a number or null")),
  "clock": (_count, "a whole number"),
  "seconds": (_amount, "a number or null"),
  "seconds_to": (_amount, "a number or null"),
  "hardware": (_hardware, f"an object with {', '.join(HARDWARE)}"),
  "versions": (_mapping(_text), "versions by name"),
  "git_commit": (_text, "a commit, or empty"),
  "date": (_date, "a date with its time zone, in ISO's form"),
}
# And of what only some lines say.
_FORMS_OF_SOME: Mapping[str, tuple[Callable[[object], bool], str]] = {
  "later_curves": (
    _list(_mapping(_list(_point))),
    "of each seed after the first, [step, value] pairs by name",
  ),
}
