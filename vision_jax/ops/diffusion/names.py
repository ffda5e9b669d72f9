"""Options that are chosen by name."""

import difflib
from collections.abc import Iterable

from vision_jax.errors import UserError


def check_name(what: str, got: str, known: Iterable[str]) -> str:
  """Returns `got`, if it is one of the known names.

  Raises:
    UserError: with the nearest name and all of them.
  """
  known = tuple(known)
  if got not in known:
    near = difflib.get_close_matches(str(got), known, 1, 0.0)[0]
    raise UserError(
      f"{what}: got {got!r}; did you mean {near!r}? Expected one of "
      f"{', '.join(known)}."
    )
  return got
