"""What is told where data are generated though a user gave their own."""

import logging

_LOG = logging.getLogger(__name__)


def tell_unused(stand_in: str, **folders: str) -> None:
  """Tells which folders of one's own are not used, where data are generated.

  Args:
    stand_in: what the data are.
    folders: config key -> what was given; "" is nothing.
  """
  if given := [f"--config.{k}={path}" for k, path in folders.items() if path]:
    _LOG.warning(
      "%s: not used. The data are %s; to use your own, leave out `:tiny`, or "
      "take a config that reads folders.",
      " ".join(given),
      stand_in,
    )
