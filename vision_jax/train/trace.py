"""A profile of some steps, for TensorBoard, XProf or Perfetto."""

from collections.abc import Mapping

import jax
from etils import epath

from vision_jax.errors import UserError


def parse_steps(text: str, steps: int) -> tuple[int, int]:
  """Reads "FIRST:LAST" for a run of so many steps.

  Raises:
    UserError: if it is something else.
  """
  first, _, last = text.partition(":")
  numbers = first.isdigit() and last.isdigit()
  if not (numbers and 0 < int(first) <= int(last) <= steps):
    raise UserError(
      f"--profile: got {text!r}; expected FIRST:LAST steps out of 1 to "
      f"{steps}, for example 10:12."
    )
  return int(first), int(last)


class Trace:
  """Traces the steps from `first` to `last`, and no longer than the run.

  A run that resumes between them traces what is left of them.

  Args:
    first: the first step to trace, counted from 1.
    last: the last one.
    folder: where the trace is written.
  """

  def __init__(self, first: int, last: int, folder: epath.PathLike):
    self._first, self._last, self._folder = first, last, folder
    self._on = False

  def before(self, step: int) -> None:
    """Call it before each step."""
    if not self._on and self._first <= step <= self._last:
      jax.profiler.start_trace(str(self._folder))
      self._on = True

  def after(self, step: int, results: Mapping[str, jax.Array]) -> None:
    """Call it after each step, with what the step gives."""
    if self._on and step >= self._last:
      jax.block_until_ready(results)
      self.close()

  def close(self) -> None:
    """Writes a trace that is under way."""
    if self._on:
      self._on = False
      jax.profiler.stop_trace()

  def __enter__(self) -> "Trace":
    return self

  def __exit__(self, *exc: object) -> None:
    self.close()
