"""results.jsonl: a line after each measurement, and what is done already."""

import json
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.accelerator.states import DONE, STATES
from vision_jax.errors import UserError
from vision_jax.files import open_own, replace_bytes

SAME = ("device_kind", "device_count", "jax", "jaxlib", "size", "xla_flags")


class Journal:
  """The lines of a folder.

  Args:
    folder: is made where it is not there.
    name: the file's.
    same: what has to be the same of all that a folder's lines were measured on.

  Raises:
    UserError: if a line is damaged that no kill has torn.
  """

  def __init__(
    self,
    folder: pathlib.Path,
    name: str = "results.jsonl",
    same: Sequence[str] = SAME,
  ):
    folder.mkdir(parents=True, exist_ok=True)
    self.path, self._same = folder / name, same
    self.head: dict[str, Any] = {}
    self.rows: dict[tuple[str, str], dict[str, Any]] = {}
    self._read()

  def begin(self, head: Mapping[str, Any]) -> None:
    """Writes what was measured on, or checks that it is the same as before.

    Raises:
      UserError: if the folder has results of something else.
    """
    for name in self._same if self.head else ():
      if self.head.get(name) != head[name]:
        raise UserError(
          f"--output: {self.path} has results of {name} "
          f"{self.head.get(name)!r}; expected {head[name]!r}, as it is now: "
          "they do not compare. Use another folder."
        )
    if not self.head:
      self.head = dict(head)
      self._add({"stage": "head", **head})

  def add(self, row: Mapping[str, Any]) -> None:
    """Adds a line; the newest of a name counts."""
    self.rows[row["stage"], row["name"]] = dict(row)
    self._add(row)

  def done(self, stage: str, name: str) -> bool:
    """Whether this needs no measuring any more."""
    return self.rows.get((stage, name), {}).get("state") in DONE

  def _add(self, row: Mapping[str, Any]) -> None:
    with open_own(self.path) as file:
      file.write(json.dumps(row, allow_nan=False) + "\n")
      file.flush()
      os.fsync(file.fileno())

  def _read(self) -> None:
    if not self.path.exists():
      return
    content = self.path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    for number, line in enumerate(whole.splitlines(), 1):
      self._keep(number, line)
    if whole != content:  # a kill has torn the last line
      replace_bytes(self.path, whole)

  def _keep(self, number: int, line: bytes) -> None:
    try:
      row = json.loads(line)
      if row["stage"] == "head":
        self.head = {k: v for k, v in row.items() if k != "stage"}
      else:
        assert row["state"] in STATES
        self.rows[row["stage"], row["name"]] = row
    except (ValueError, KeyError, TypeError, AssertionError) as error:
      raise UserError(
        f"{self.path}, line {number}: {line[:80]!r} is none of this command's; "
        "expected its own results, or an empty folder. Remove the line, or use "
        "another --output."
      ) from error
