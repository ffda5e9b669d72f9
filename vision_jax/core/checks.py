"""Checks of what a user gives."""

import difflib
from collections.abc import Iterable, Sequence

from vision_jax.errors import UserError


def check_class_names(what: str, names: Sequence[str]) -> None:
  """Checks names by which metrics and predictions tell classes apart.

  Args:
    what: what an error calls them.
    names: k names; () is none.

  Raises:
    UserError: if two are the same, or one is empty.
  """
  names = list(names)
  empty = [i for i, name in enumerate(names) if not str(name).strip()]
  if empty:
    raise UserError(
      f"{what}: the name of class {empty[0]} is empty; expected one for each."
    )
  if len(set(names)) < len(names):
    twice = next(name for name in names if names.count(name) > 1)
    raise UserError(
      f"{what}: has {twice!r} more than once, and one class's metrics would "
      "replace another's; expected names of their own."
    )


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
