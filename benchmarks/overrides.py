"""Values of configs from a command line: --config.KEY=VALUE."""

import re
from collections.abc import Sequence

from vision_jax.errors import UserError


def read_overrides(words: Sequence[str]) -> dict[str, str]:
  """Returns key -> value, as text, of the words that are no flags.

  Raises:
    UserError: for a word of another form.
  """
  found = {}
  for word in words:
    match = re.fullmatch(r"--config\.([\w.]+)=(.*)", word, re.DOTALL)
    if not match:
      raise UserError(
        f"got {word!r}; expected one of the flags that --help lists, or "
        "--config.KEY=VALUE."
      )
    found[match[1]] = match[2]
  return found
