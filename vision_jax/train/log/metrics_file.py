"""The run's metrics as a text file: workdir/metrics.jsonl.

One strict JSON object a line, in the order of the run:

  {"step": 400, "time": 1763700000.0, "train/loss": 0.31}
  {"step": 400, "time": 1763700003.5, "val/accuracy": 0.98, "val/loss": 0.07}

  step   int, updates done when the metrics were taken; never decreases
  time   float, seconds since 1970 when the line was written
  NAME   any other key is a scalar: train/NAME is of that step's batch,
         SPLIT/NAME and SPLIT/ema/NAME are of an evaluation with raw and with
         averaged weights, time/NAME, memory/NAME, flops/NAME and data/NAME say
         what the run costs; fractions are in [0, 1]
  null   stands for a value that is not finite (JSON has no NaN)

A step may have several lines. A run that resumes from a checkpoint first cuts
the file back to the checkpoint's step, so that no step is logged twice.
"""

import json
import logging
import math
import time
from collections.abc import Mapping
from typing import Any

from etils import epath

from vision_jax.errors import UserError
from vision_jax.files import is_remote, open_own, replace_text

_LOG = logging.getLogger(__name__)

NAME = "metrics.jsonl"
REWRITE_SECONDS = 30.0  # between two uploads of a file that cannot be appended


def scalar(name: str, value: Any) -> int | float | None:
  """Returns a number of JSON: int, float, or None if it is not finite.

  Args:
    name: what it is, for the error.
    value: a number, or an array of one element (numpy, jax).

  Raises:
    UserError: if it is anything else.
  """
  value = value.item() if getattr(value, "size", 0) == 1 else value
  if isinstance(value, bool) or not isinstance(value, int | float):
    shape = getattr(value, "shape", type(value).__name__)
    raise UserError(f"{name}: got {shape}, expected one number.")
  return value if math.isfinite(value) else None


class MetricsFile:
  """Appends lines to workdir/metrics.jsonl; the module tells the schema.

  Every line is handed to the operating system at once, so that a killed process
  loses none. An object store cannot append: there the file is written whole, at
  most every half minute and in `flush` and `close`.
  """

  def __init__(self, workdir: epath.PathLike, *, append: bool | None = None):
    """Opens the file of `workdir`; creates nothing until the first line.

    Args:
      workdir: the run's folder.
      append: whether the file system can append; local ones can.
    """
    self.path = epath.Path(workdir) / NAME
    self._append = not is_remote(workdir) if append is None else append
    self._file = None
    self._text = None  # the whole file, where it is rewritten
    self._written = -math.inf

  def write(
    self, step: int, values: Mapping[str, float], *, now: float | None = None
  ) -> None:
    """Adds one line.

    Args:
      step: updates done.
      values: name -> number.
      now: seconds since 1970; the clock's by default.

    Raises:
      UserError: if a value is not one number, or is called "step" or "time".
    """
    taken = {"step", "time"} & set(values)
    if taken:
      raise UserError(f"a metric cannot be called {sorted(taken)}: rename it.")
    line = {"step": int(step), "time": time.time() if now is None else now}
    line |= {name: scalar(name, value) for name, value in values.items()}
    self._add(json.dumps(line, allow_nan=False) + "\n")

  def _add(self, text: str) -> None:
    if self._append:
      if self._file is None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = open_own(self.path)
      self._file.write(text)
      self._file.flush()
      return
    self._text = self._read() + text
    if time.monotonic() - self._written > REWRITE_SECONDS:
      self.flush()

  def _read(self) -> str:
    if self._text is not None:
      return self._text
    return self.path.read_text() if self.path.exists() else ""

  def read(self) -> list[dict[str, Any]]:
    """Returns the lines; one that a kill has torn is left out."""
    return [line for _, line in _parse(self._read())]

  def truncate_after(self, step: int) -> int:
    """Drops the lines after `step`, and one that a kill has torn.

    Returns:
      How many lines were dropped.
    """
    self.close()
    text = self._read()
    kept = [raw for raw, line in _parse(text) if line["step"] <= step]
    dropped = len(text.splitlines()) - len(kept)
    if not dropped:
      return 0
    text = "".join(raw + "\n" for raw in kept)
    replace_text(self.path, text)
    self._text = None if self._append else text
    _LOG.info("Cut %s back to step %d: %d lines.", self.path, step, dropped)
    return dropped

  def flush(self) -> None:
    """Uploads what an object store does not have yet."""
    if self._text is not None:
      replace_text(self.path, self._text)
      self._written = time.monotonic()

  def close(self) -> None:
    """Writes what is left; a later `write` opens the file again."""
    self.flush()
    if self._file is not None:
      self._file.close()
      self._file = None


def _parse(text: str) -> list[tuple[str, dict[str, Any]]]:
  """The whole lines of `text`, each as it is and as an object."""
  lines = []
  for raw in text.split("\n")[:-1]:  # what no newline ends was torn
    try:
      line = json.loads(raw)
    except ValueError:
      continue
    if isinstance(line, dict) and isinstance(line.get("step"), int):
      lines.append((raw, line))
  return lines
