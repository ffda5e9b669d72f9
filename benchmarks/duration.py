"""How long a call may take, as one types it."""

import re

from vision_jax.errors import UserError

_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600}


def read_budget(text: str) -> float:
  """Returns the seconds of a duration such as 90s, 25m or 1h.

  Raises:
    UserError: if it is none.
  """
  match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text.strip())
  seconds = float(match[1]) * _UNITS[match[2]] if match else 0.0
  if seconds <= 0:
    raise UserError(
      f"--budget: got {text!r}; expected a duration of more than nothing, such "
      "as 90s, 25m or 1h."
    )
  return seconds
