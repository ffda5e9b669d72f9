"""A choice of a test's parameters, and marks of some."""

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


def two_of_each_task(configs: Iterable[str]) -> list[str]:
  """Returns the first and the last config of each folder, sorted."""
  found: dict[str, list[str]] = {}
  for path in configs:
    found.setdefault(path.split("/")[1], []).append(path)
  return sorted({x for paths in found.values() for x in (paths[0], paths[-1])})
