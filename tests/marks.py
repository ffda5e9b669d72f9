"""Marks of some of a test's parameters."""

from collections.abc import Iterable
from typing import Any

import pytest


def with_slow(values: Iterable[Any], *slow: Any) -> list[Any]:
  """Returns all values, of which some run by `pytest -m slow` alone."""
  values = list(values)
  assert all(value in values for value in slow), slow
  apart = lambda value: value if isinstance(value, tuple) else (value,)
  mark = lambda value: pytest.param(*apart(value), marks=pytest.mark.slow)
  return [mark(value) if value in slow else value for value in values]
