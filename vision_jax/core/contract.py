"""What a step checks of an objective while it is traced."""

import operator
from collections.abc import Mapping
from typing import Any

import jax

from vision_jax.core.types import Mean, Nets

_RESERVED = {"loss", "grad_norm", "learning_rate"}


def check_terms(terms: Mapping[str, Mean], seen: Mapping[str, Any]) -> None:
  """Refuses a term that another one would replace in the logs."""
  if both := sorted(terms.keys() & (seen.keys() | _RESERVED)):
    raise ValueError(
      f"terms: two of a step are called {both[0]!r}, of which only one would "
      "be logged; expected other names than the other objectives' and than "
      f"{', '.join(sorted(_RESERVED))}."
    )


def check_stats(net: str, new: Nets, given: Nets) -> None:
  """Refuses statistics of other nets, unless they are what was given."""
  for name in new:
    if name == net:
      continue
    pairs = jax.tree.leaves(new[name]), jax.tree.leaves(given.get(name))
    same = len(pairs[0]) == len(pairs[1]) and all(map(operator.is_, *pairs))
    if not same:
      raise ValueError(
        f"stats: the objective of the net {net!r} returned new ones of "
        f"{name!r}, which would be lost: a step keeps those of the objective's "
        "own net. Return the others as they were given, or leave them out."
      )
