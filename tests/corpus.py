"""The corpus: bad inputs, each of which is refused in a short message.

A case is a line of a table: what is wrong, how that is made and used, and what
the message has to say. `use(folder)` makes its files in an empty folder and
reads them as a run would.
"""

import re

import pytest

from vision_jax.errors import UserError

LONGEST = 1_200  # characters of a message


def cases(table):
  """Parametrizes (use, pattern) by lines of (what is wrong, use, pattern)."""
  lines = [pytest.param(*line[1:], id=line[0]) for line in table]
  return pytest.mark.parametrize(("use", "pattern"), lines)


def refuse(use, folder, pattern):
  """Asserts that a case raises a `UserError` that says what is wrong."""
  with pytest.raises(UserError) as caught:
    use(folder)
  says(str(caught.value), pattern)


def says(message, pattern):
  """Asserts that a message has a pattern, and is short."""
  text = " ".join(message.split())
  assert re.search(pattern, text), text
  assert len(text) <= LONGEST, f"{len(text)} characters: {text[:300]} ..."
