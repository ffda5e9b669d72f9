"""What to change in a run that takes long on this machine."""

import datetime
from collections.abc import Mapping
from typing import Any, Protocol

LONG = 2 * 3600.0  # seconds
# Values that a step takes time for, as the command line gives them.
COSTLY = ("image_size", "crop", "width", "batch_size")


class Configured(Protocol):
  """The config of a run.

  Attributes:
    values: its values.
    smaller: PATH:VARIANT of it that is made for a machine such as this, "" for
      none.
  """

  values: Mapping[str, Any]
  smaller: str


def advice(
  seconds: float, steps: int, config: Configured | None = None
) -> str | None:
  """Returns a line for a run that would take over two hours, else None.

  Args:
    seconds: how long the run will take.
    steps: how many steps it has left.
    config: its config, where it has one.
  """
  if seconds <= LONG:
    return None
  left = datetime.timedelta(minutes=round(seconds / 60))
  values = config.values if config else {}
  smaller = [f"--config.{key}" for key in COSTLY if key in values]
  ways = [f"--config={config.smaller}"] if config and config.smaller else []
  ways.append(_shorter(max(1, round(steps * LONG / seconds)), values))
  ways += [f"smaller {' or '.join(smaller)}"] if smaller else []
  return (
    f"This run takes about {str(left).removesuffix(':00')} hours on this "
    f"machine. Shorter: {', '.join(ways)}, or a faster machine; in a new "
    "--workdir."
  )


def _shorter(steps: int, values: Mapping[str, Any]) -> str:
  """Returns the flag of a run of so many steps; epochs, if they count them."""
  if epochs := values.get("epochs"):
    return f"--config.epochs={epochs * steps / values['steps']:.2g} (two hours)"
  return f"--config.steps={steps} (two hours)"
