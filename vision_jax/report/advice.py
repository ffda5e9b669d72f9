"""What to change in a run that takes long on this machine."""

import datetime
from collections.abc import Mapping

LONG = 2 * 3600.0  # seconds
# Values that a step takes time for, as the command line gives them.
COSTLY = ("image_size", "crop", "width", "batch_size")


def advice(
  seconds: float, steps: int, values: Mapping[str, object]
) -> str | None:
  """Returns a line for a run that would take over two hours, else None.

  Args:
    seconds: how long the run will take.
    steps: how many steps it has left.
    values: its config's values; empty where there is none.
  """
  if seconds <= LONG:
    return None
  left = datetime.timedelta(minutes=round(seconds / 60))
  fewer = max(1, round(steps * LONG / seconds))
  smaller = [f"--config.{key}" for key in COSTLY if key in values]
  sized = f", smaller {' or '.join(smaller)}" * bool(smaller)
  return (
    f"This run takes about {str(left).removesuffix(':00')} hours on this "
    f"machine. Shorter: --config.steps={fewer} (two hours){sized}, or a "
    "faster machine; in a new --workdir."
  )
