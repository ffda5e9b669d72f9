"""Parameters by path: the one place where a regex meets a parameter's name.

A path is "/"-joined from the net's root: "conv1/kernel". A pattern is a Python
regular expression that is searched in it, so "head" also finds "overhead":
anchor it ("^head/") where that matters.
"""

import difflib
import re
from collections.abc import Callable, Iterable
from typing import Any

import jax

from vision_jax.errors import UserError

# What is never a matrix or a filter; an attention's bias has two axes.
SCALES_AND_BIASES = r"(^|/)(scale|bias)$"


def map_paths(fn: Callable[[str, Any], Any], params: Any) -> Any:
  """Returns the tree of fn(path, leaf)."""
  return jax.tree_util.tree_map_with_path(
    lambda keys, leaf: fn(_join(keys), leaf), params
  )


def list_paths(params: Any) -> list[str]:
  """Returns the path of every array, in the tree's order."""
  leaves = jax.tree_util.tree_flatten_with_path(params)[0]
  return [_join(keys) for keys, _ in leaves]


def matches(patterns: Iterable[str], path: str) -> bool:
  """Whether any pattern is found in the path."""
  return any(re.search(pattern, path) for pattern in patterns)


def make_mask(patterns: Iterable[str]) -> Callable[[Any], Any]:
  """Returns params -> tree of bools: whether a pattern finds the path."""
  patterns = tuple(patterns)
  return lambda params: map_paths(
    lambda path, _: matches(patterns, path), params
  )


def check_patterns(what: str, patterns: Iterable[str], params: Any) -> None:
  """Checks that each pattern is a regex and finds a parameter.

  Raises:
    UserError: naming the option `what`, the pattern and the nearest path.
  """
  paths = list_paths(params)
  for pattern in patterns:
    try:
      found = any(re.search(pattern, path) for path in paths)
    except re.error as error:
      raise UserError(
        f"{what}: {pattern!r} is not a regular expression ({error})."
      ) from error
    if not found:
      raise UserError(
        f"{what}: the pattern {pattern!r} finds none of the {len(paths)} "
        f"parameters; the nearest path is {nearest(pattern, paths)!r}. "
        "Patterns are searched in '/'-joined paths."
      )


def nearest(pattern: str, paths: list[str]) -> str | None:
  """Returns the path that looks most like the pattern; None without paths."""
  plain = re.sub(r"[\\^$.*+?()\[\]{}|]", "", pattern)
  close = difflib.get_close_matches(plain, paths, n=1, cutoff=0.0)
  return close[0] if close else None


def _join(keys: tuple) -> str:
  return jax.tree_util.keystr(keys, simple=True, separator="/")
