"""Pieces of an optimizer: the learning rate in the state, rates, freezing."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from vision_jax.errors import UserError
from vision_jax.optim import paths, schedules

# Regex -> multiplier, or a function of all paths -> {path: multiplier}.
Rates = Mapping[str, float] | Callable[[Sequence[str]], Mapping[str, float]]


class RateState(NamedTuple):
  """Attributes: updates so far, and the rate of the last one."""

  count: jax.Array
  learning_rate: jax.Array


def scale_by_rate(schedule: schedules.Schedule) -> optax.GradientTransformation:
  """Multiplies by minus the schedule's rate, which stays in the state.

  `optax.tree.get(state, "learning_rate")` returns the rate of the last update,
  and before the first one the first one's.
  """

  def rate_at(count):
    return jnp.asarray(schedule(count), jnp.float32)

  def init(params):
    del params
    count = jnp.zeros((), jnp.int32)
    return RateState(count, rate_at(count))

  def update(updates, state, params=None):
    del params
    rate = rate_at(state.count)
    updates = jax.tree.map(lambda u: -rate.astype(u.dtype) * u, updates)
    count = optax.safe_increment(state.count)
    return updates, RateState(count, rate)

  return optax.GradientTransformation(init, update)


def scale_by_path(rates: Rates) -> optax.GradientTransformation:
  """Multiplies each update by its parameter's multiplier.

  Args:
    rates: regex -> multiplier, of which the first that matches counts and the
      rest of the parameters have 1; or a function like `layer_decay`'s.

  Raises:
    UserError: at `init`, for a pattern that matches no parameter or a
      multiplier that is not positive.
  """

  def multiplier(path):
    found = (rate for p, rate in rates.items() if re.search(p, path))
    return next(found, 1.0)

  def find(tree):
    if callable(rates):
      return rates(paths.list_paths(tree))
    return {path: multiplier(path) for path in paths.list_paths(tree)}

  def init(params):
    if not callable(rates):
      paths.check_patterns("rates", rates, params)
    for path, rate in find(params).items():
      if not rate > 0:
        raise UserError(
          f"rates: got {rate} for {path!r}; expected a positive multiplier. "
          "Use `frozen` for what does not train."
        )
    return optax.EmptyState()

  def update(updates, state, params=None):
    del params
    found = find(updates)
    return paths.map_paths(lambda path, u: u * found[path], updates), state

  return optax.GradientTransformation(init, update)


def layer_decay(
  decay: float,
  *,
  block: str = r"(?:^|/)block_?(\d+)(?:/|$)",
  first: str = r"(?:^|/)(?:cls|pos|patch|embed|stem)[^/]*(?:/|$)",
) -> Callable[[Sequence[str]], dict[str, float]]:
  """Rates that fall with the distance from the output, for `rates=`.

  With n blocks, a parameter at depth i has decay ** (n + 1 - i): 0 what `first`
  matches outside the blocks, i + 1 block i, n + 1 all the rest (the last norm,
  the head). BEiT: https://arxiv.org/abs/2106.08254

  Args:
    decay: factor from a layer to the one before it, in (0, 1].
    block: regex whose group is the block's number, counted from 0.
    first: regex of what comes before the first block.

  Raises:
    UserError: for another decay; and where the rates are used, if no path has
      a block.
  """
  if not 0 < decay <= 1:
    raise UserError(f"layer_decay: got {decay}; expected a factor in (0, 1].")

  def rates(all_paths):
    blocks = {path: re.search(block, path) for path in all_paths}
    number = {path: int(m.group(1)) for path, m in blocks.items() if m}
    if not number:
      raise UserError(
        f"layer_decay: the pattern {block!r} finds none of {len(all_paths)} "
        f"parameters; the nearest path is "
        f"{paths.nearest(block, list(all_paths))!r}. Give `block=` a regex "
        "whose group is the block's number."
      )
    last = max(number.values()) + 2

    def depth(path):
      if path in number:
        return number[path] + 1
      return 0 if re.search(first, path) else last

    return {path: decay ** (last - depth(path)) for path in all_paths}

  return rates


def freeze(
  inner: optax.GradientTransformation, patterns: Sequence[str]
) -> optax.GradientTransformation:
  """Leaves the parameters that a pattern matches bitwise as they are.

  They have no state in `inner`, whose clipping does not see their gradients.

  Raises:
    UserError: at `init`, for a pattern that matches no parameter, and if all
      parameters match.
  """
  frozen = paths.make_mask(patterns)
  trained = optax.masked(inner, lambda p: jax.tree.map(_not, frozen(p)))

  def init(params):
    paths.check_patterns("frozen", patterns, params)
    if all(jax.tree.leaves(frozen(params))):
      raise UserError(
        f"frozen: the patterns {list(patterns)} match every parameter; "
        "nothing is left to train."
      )
    return trained.init(params)

  def update(updates, state, params=None):
    updates, state = trained.update(updates, state, params)
    # x + (-0.0) is x for every x; x + 0.0 would turn -0.0 into 0.0.
    still = lambda u, stop: jnp.full_like(u, -0.0) if stop else u
    return jax.tree.map(still, updates, frozen(updates)), state

  return optax.GradientTransformation(init, update)


def _not(value: Any) -> bool:
  return not value
