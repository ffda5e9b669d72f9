"""Results as lines of JSON.

A line carries what was measured and what follows from it, so that it can be
read alone. Read back, what follows is computed again, and a line that says
something else is refused.
"""

import json
import math
import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from benchmarks import facts
from benchmarks.references import Reference
from benchmarks.result import Result
from benchmarks.row import Row
from benchmarks.suite import row_named, suite_of
from vision_jax.errors import UserError
from vision_jax.files import replace_text


class BadResult(UserError):
  """A line that a report must not show."""


OF_ROW = (
  *("config", "dataset", "metric", "weights", "unit", "protocol"),
  *("tolerance", "target"),
)
OF_SOURCE = ("source", "file", "sha256", "within")  # where a row has one
OF_REFERENCE = (
  *("key", "model", "value", "higher_is_better", "protocol", "evidence"),
  *("source_title", "source_url", "source_location"),
)
OF_RESULT = (
  *("variant", "overrides", "command", "seeds", "values", "mean", "differs"),
  *("verdict", "reason", "target_met", "also", "curve", "mfu", "clock"),
  *("seconds", "seconds_to", "hardware", "versions", "git_commit", "date"),
)


def line(result: Result) -> dict[str, Any]:
  """Returns what a file holds of a result: measured, and what follows."""
  row, summary, reference = result.row, result.summary, result.reference
  found = {
    "suite": suite_of(row),
    "row": row.name,
    **_fields(row, OF_ROW),
    **(_fields(row, OF_SOURCE) if row.source else {}),
    "reference": reference and _fields(reference, OF_REFERENCE),
    "sd": summary and summary.sd,
    "ci95": summary and summary.ci95,
    **_fields(result, OF_RESULT),
    **result.speed,
  }
  return {k: list(x) if isinstance(x, tuple) else x for k, x in found.items()}


def _fields(thing: Row | Reference | Result, names: Iterable[str]) -> dict:
  return {name: getattr(thing, name) for name in names}


def parse(given: Any, place: str = "result") -> Result:
  """Returns the result of a line that says nothing but what follows.

  Args:
    given: a line, as read from JSON.
    place: names it in errors.

  Raises:
    BadResult: naming the line and the field that is missing, of another type,
      or not what the values, the suite and the references give.
  """
  try:
    found = facts.check(given)
    result = Result(row=row_named(found.pop("row")), **found)
    _compare(given, json.loads(json.dumps(line(result))))
  except UserError as error:
    name = given.get("row") if isinstance(given, dict) else None
    raise BadResult(
      f"{place}: row {name!r}: {error}; results are written by "
      "`python -m benchmarks.run`"
    ) from error
  return result


def read(path: pathlib.Path) -> list[Result]:
  """Reads and checks the results of a `.jsonl` file, or of a folder's.

  Raises:
    FileNotFoundError: there is none.
    BadResult: a line is not a result, or says what does not follow.
  """
  files = sorted(path.glob("*.jsonl")) if path.is_dir() else [path]
  found = []
  for file in files:
    for number, text in enumerate(_text(file).splitlines(), 1):
      place = f"{file.name}:{number}"
      try:
        given = json.loads(text)
      except json.JSONDecodeError as error:
        raise BadResult(f"{place}: not JSON: {error}") from error
      if isinstance(given, dict) and given.get("kind") == "speed":
        continue  # `benchmarks.speed` writes and prints those
      found.append(parse(given, place))
  return found


def _text(file: pathlib.Path) -> str:
  try:
    return file.read_text("utf-8")
  except UnicodeDecodeError as error:
    raise BadResult(f"{file.name}: not UTF-8: {error}") from error


def write(results: Sequence[Result], path: pathlib.Path) -> None:
  """Writes results, one a line, whole or not at all."""
  lines = [json.dumps(line(x), allow_nan=False) + "\n" for x in results]
  replace_text(path, "".join(lines))


def _compare(line: Mapping, expected: Mapping) -> None:
  for key in [*expected, *line]:
    if key not in line:
      raise UserError(f"{key} is missing")
    if key not in expected:
      raise UserError(f"{key} is no field of a result")
    if not _equal(line[key], expected[key]):
      raise UserError(
        f"{key} is {_short(line[key])}, but the values, the suite and the "
        f"references give {_short(expected[key])}"
      )


def _equal(a: Any, b: Any) -> bool:
  """Whether two JSON values agree, numbers to the rounding of a sum."""
  if isinstance(a, float) and isinstance(b, float):
    return math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12)
  if isinstance(a, list) and isinstance(b, list):
    return len(a) == len(b) and all(map(_equal, a, b))
  if isinstance(a, dict) and isinstance(b, dict):
    return a.keys() == b.keys() and all(_equal(a[k], b[k]) for k in a)
  return type(a) is type(b) and a == b


def _short(value: Any) -> str:
  text = json.dumps(value)
  return text if len(text) <= 200 else f"{text[:200]} ..."
