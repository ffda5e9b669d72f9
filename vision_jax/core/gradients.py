"""The gradient of one objective, whole or a microbatch at a time."""

from collections.abc import Callable, Collection, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from vision_jax.core.mapped import add_shards
from vision_jax.core.state import TrainState
from vision_jax.core.stats import joined, split
from vision_jax.core.types import (
  Array,
  Batch,
  Mean,
  Nets,
  Objective,
  Variables,
)
from vision_jax.errors import UserError
from vision_jax.forms.nested import scan

Means = dict[str, Mean]
_NORMS = {"grad_norm", "update_norm", "param_norm"}
_RESERVED = {"loss", "learning_rate"} | _NORMS


def gradients(
  objective: Objective,
  state: TrainState,
  others: Variables,
  batch: Batch,
  key: Array,
  accumulate: int,
) -> tuple[Any, Nets, Means]:
  """Returns the global gradient of an objective, new statistics and terms.

  It is that of *this shard's share of the global loss*, the local total over
  the global count, added up over the shards. `others` are the nets that no
  objective trains.
  """
  net = objective.net

  def loss(params, stats, part, part_key):
    given = {**others[1], **stats}
    terms, new_stats = objective.loss(
      {**others[0], **state.params, net: params},
      given,
      part,
      part_key,
      step=state.step,
      train=True,
    )
    own, parts = split(net, new_stats, given)
    return terms, {**stats, **own}, parts

  def share(params, counts, stats, part, part_key):
    terms, *new_stats = loss(params, stats, part, part_key)
    if counts is None:
      counts = _counts(terms)
    scaled = [
      weight * terms[name]._replace(count=counts[name]).divide()
      for name, weight in objective.weights.items()
    ]
    return sum(scaled), (terms, *new_stats)

  grad = jax.grad(share, has_aux=True)
  params, stats = state.params[net], state.stats
  if accumulate == 1:
    grads, (terms, new, parts) = grad(params, None, stats, batch, key)
    parts = jax.tree.map(lambda x: x[None], parts)
  else:
    # A count depends on the batch only, so the compiler drops the rest of this.
    counts = _counts(loss(params, stats, batch, key)[0])
    grads, (terms, new, parts) = _accumulate(
      lambda *args: grad(params, counts, *args), stats, batch, key, accumulate
    )
  stats = joined(net, stats, new, parts)
  return add_shards(grads), stats, add_shards(terms)


def strided(batch: Batch, parts: int, part: int) -> Batch:
  """Returns the examples i with i % parts == part."""
  if parts == 1:
    return batch
  return jax.tree.map(lambda x: _split(x, parts)[:, part], batch)


def suffix(objectives: Sequence[Objective], net: str) -> str:
  """Returns what a net's logs end in: its name, where there are several."""
  return f"/{net}" if len({one.net for one in objectives}) > 1 else ""


def logged(terms: Means, ending: str, seen: Collection[str]) -> Means:
  """Returns terms under the names that they are logged by.

  Raises:
    ValueError: for one that would replace another in the logs, of which the
      names are `seen`.
  """
  named = {name + ending: term for name, term in terms.items()}
  taken = {*seen, *(name + ending for name in _RESERVED)}
  if both := sorted(named.keys() & taken):
    raise ValueError(
      f"terms: two of a step are called {both[0]!r}, of which only one would "
      "be logged; expected other names than those of the net's other "
      f"objectives and than {', '.join(sorted(_RESERVED))}."
    )
  return named


def _counts(terms: Means) -> dict[str, Array]:
  counts = {name: term.count for name, term in terms.items()}
  return add_shards(jax.lax.stop_gradient(counts))


def _accumulate(
  grad: Callable[..., Any], stats: Nets, batch: Batch, key: Array, parts: int
) -> Any:
  """Adds gradients and terms over microbatches; stats pass, or are stacked."""

  def body(carry, item):
    grads, terms, stats = carry
    part, number = item
    part_key = jax.random.fold_in(key, number)
    more, (more_terms, stats, own) = grad(stats, part, part_key)
    grads, terms = jax.tree.map(jnp.add, (grads, terms), (more, more_terms))
    return (grads, terms, stats), own

  micro = jax.tree.map(lambda x: jnp.moveaxis(_split(x, parts), 1, 0), batch)
  first = jax.tree.map(lambda x: x[0], micro)
  grads, (terms, *_) = jax.eval_shape(grad, stats, first, key)
  zeros = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), (grads, terms))
  (grads, terms, stats), own = scan(
    body, (*zeros, stats), (micro, jnp.arange(parts))
  )
  return grads, (terms, stats, own)


def _split(x: Array, parts: int) -> Array:
  """Reshapes (b, ...) to (b // parts, parts, ...), which moves no data."""
  if x.shape[0] % parts:
    raise UserError(
      f"A batch of {x.shape[0]} examples on each shard does not split into "
      f"{parts} parts of one size; choose a batch size divisible by devices x "
      "accumulate x repeat."
    )
  return x.reshape(x.shape[0] // parts, parts, *x.shape[1:])
