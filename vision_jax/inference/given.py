"""What a command line says of predictions, read without jax."""

import math

from vision_jax.errors import UserError

AUTO = "auto"


def read_formats(text: str | None) -> list[str] | None:
  """Reads --format, names with commas between; None for the config's."""
  names = dict.fromkeys(name.strip() for name in (text or "").split(","))
  return [name for name in names if name] or None


def read_threshold(text: str) -> float | None:
  """Reads --threshold, a score; None for auto.

  Raises:
    UserError: for what is no score.
  """
  if text == AUTO:
    return None
  try:
    value = float(text)
  except ValueError:
    value = math.nan
  if not 0 <= value <= 1:
    raise UserError(
      f"--threshold: got {text!r}; expected a score from 0 to 1, or auto for "
      "the one that was best on val."
    )
  return value
