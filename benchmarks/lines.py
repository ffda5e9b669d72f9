"""Results as lines of JSON.

A line carries what was measured and what follows from it, so that it can be
read alone. Read back, what follows is computed again, and a line that says
something else is refused.
"""

import json
import math
import pathlib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from benchmarks import facts, references
from benchmarks.references import Reference
from benchmarks.result import Result
from benchmarks.row import Row
from benchmarks.suite import row_named, suite_of
from vision_jax import __version__
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
OF_SEEDS = ("later_curves",)  # where there are several
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
    **(_fields(result, OF_SEEDS) if result.later_curves else {}),
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
    row = row_named(found.pop("row"))
    references.check(row.reference)
    result = Result(row=row, **found)
    _compare(given, json.loads(json.dumps(line(result))))
  except UserError as error:
    name = given.get("row") if isinstance(given, dict) else None
    raise BadResult(
      f"{place}: row {name!r}: {error}; results are written by "
      f"`python -m benchmarks.run`{_of_newer(given)}"
    ) from error
  return result


def _of_newer(given: Any) -> str:
  """Says that a line is of a newer version than this, if it is."""
  versions = given.get("versions") if isinstance(given, dict) else None
  theirs = versions.get("vision_jax") if isinstance(versions, dict) else None
  number = lambda x: [int(n) for n in re.findall(r"\d+", str(x))[:3]]
  if number(theirs) <= number(__version__):
    return ""
  return f", and this one by vision_jax {theirs}, newer than {__version__} here"


def read(path: pathlib.Path) -> list[Result]:
  """Reads and checks the results of a `.jsonl` file, or of a folder's.

  Raises:
    FileNotFoundError: there is none.
    BadResult: a line is not a result, or says what does not follow.
  """
  found, bad = read_each(path)
  if bad:
    raise bad[0]
  return found


def read_each(path: pathlib.Path) -> tuple[list[Result], list[BadResult]]:
  """Reads what are results, and why the other lines are none.

  Raises:
    FileNotFoundError: there is no such file.
  """
  files = sorted(path.glob("*.jsonl")) if path.is_dir() else [path]
  found, bad = [], []
  for file in files:
    try:
      texts = _text(file).splitlines()
    except BadResult as error:
      bad.append(error)
      continue
    for number, text in enumerate(texts, 1):
      try:
        found += _read_line(text, f"{file.name}:{number}")
      except BadResult as error:
        bad.append(error)
  return found, bad


def _read_line(text: str, place: str) -> list[Result]:
  """The result of a line; none of a line of `benchmarks.speed`."""
  try:
    given = json.loads(text)
  except json.JSONDecodeError as error:
    raise BadResult(f"{place}: not JSON: {error}") from error
  if isinstance(given, dict) and given.get("kind") == "speed":
    return []
  return [parse(given, place)]


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
