"""Optimal one-to-one matching of boxes with queries, inside compiled steps.

The shortest augmenting path algorithm of Jonker and Volgenant in the form of
Crouse (2016, https://doi.org/10.1109/TAES.2016.140952): boxes enter one after
another, and Dijkstra's search over the queries finds the cheapest way to make
room for each. The search looks at all queries at once, so that a step of it is
a few vector operations.

Of the forms to run a batch in (8 CPU devices, 16 images, 100 queries, 30 boxes
of which 8 are real, ms): partitioned by `jit` itself, `vmap` 4.9, which asks
all devices at every turn whether they are done, and `lax.map` 2.3, which
gathers the batch; each device its own images, `vmap` 0.5 and `lax.map` 0.3. On
one device 0.25 and 0.27, optax's algorithm 4.3 and 6.6. So `match` is `vmap`,
kept local to each device.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.experimental.custom_partitioning import custom_partitioning
from jax.sharding import NamedSharding, PartitionSpec

from vision_jax.core.shapes import check_shape
from vision_jax.core.types import Array

# What stands for a cost that is not a number: far above any real one, and
# small enough to be added up.
FORBIDDEN = 1e6


class _Assignment(NamedTuple):
  """A matching under construction, with its dual variables."""

  box_of: Array  # (q,) the box of each query, -1 for none
  query_of: Array  # (n,) the query of each box, -1 for none
  u: Array  # (n,)
  v: Array  # (q,)


class _Search(NamedTuple):
  """Dijkstra's search for the cheapest augmenting path."""

  row: Array  # box whose edges are relaxed next
  low: Array  # cost of the path to it
  cost: Array  # (q,) of the cheapest path to each query so far
  via: Array  # (q,) the box before it on that path
  done: Array  # (q,) whether that cost is final
  sink: Array  # the free query that was reached, -1 while there is none


def match(cost: Array, box_mask: Array) -> Array:
  """Returns the query of each box, so that the sum of costs is the smallest.

  Args:
    cost: (b, q, n), of matching query q with box n. Costs that are no finite
      number count as `FORBIDDEN`.
    box_mask: (b, n), 0 for padding, which is left unmatched.

  Returns:
    (b, n) int32, each query at most once; -1 for padding, and for boxes that
    are left over where there are more boxes than queries.
  """
  b, q, n = check_shape("cost", cost, "b q n")
  check_shape("box_mask", box_mask, f"{b} {n}")
  if q == 0 or n == 0:
    return jnp.full((b, n), -1, jnp.int32)
  cost = jax.lax.stop_gradient(cost).astype(jnp.float32)
  cost = jnp.where(jnp.isfinite(cost), cost, FORBIDDEN)
  return _match_local(cost, box_mask.astype(jnp.float32))


@custom_partitioning
def _match_local(cost: Array, box_mask: Array) -> Array:
  """Matches each device's own images, whatever the batch is sharded over."""
  return jax.vmap(match_one)(cost, box_mask)


def _partition(mesh, arguments, result):
  """Splits over the images only, in the way that `cost` is split."""
  del result
  spec = arguments[0].sharding.spec
  images = NamedSharding(mesh, PartitionSpec(spec[0] if len(spec) else None))
  local = lambda cost, box_mask: jax.vmap(match_one)(cost, box_mask)
  return mesh, local, images, (images, images)


_match_local.def_partition(
  partition=_partition,
  sharding_rule="b q n, b n -> b n",
  need_replication_factors=("q", "n"),
)


def match_one(cost: Array, box_mask: Array) -> Array:
  """`match` for one image: (q, n) and (n,) to (n,); finite costs."""
  q, n = cost.shape
  if n <= q:
    return _assign(cost.T, box_mask > 0).query_of
  # More (padded) boxes than queries: the queries look for boxes, and padding
  # costs so much that it is taken only when no real box is left.
  spread = 1 + jnp.max(cost) - jnp.min(cost)
  padded = jnp.where(box_mask > 0, cost, jnp.max(cost) + spread * (q + 1))
  query = _assign(padded, jnp.ones(q, bool)).box_of
  return jnp.where(box_mask > 0, query, -1)


def _assign(cost: Array, real: Array) -> _Assignment:
  """Matches every real row of cost (n, q), n <= q, with a column."""
  n, q = cost.shape
  start = _Assignment(
    jnp.full(q, -1, jnp.int32),
    jnp.full(n, -1, jnp.int32),
    jnp.zeros(n),
    jnp.zeros(q),
  )
  # Real rows first, so that padding costs no turns.
  order = jnp.argsort(~real, stable=True).astype(jnp.int32)
  count = jnp.sum(real)
  body = lambda i, state: _insert(cost, order[i], state)
  return jax.lax.fori_loop(0, count, body, start)


def _insert(cost: Array, row: Array, state: _Assignment) -> _Assignment:
  """Matches one more row, rematching others where that is cheaper."""
  found = _search(cost, row, state)
  change = jnp.where(found.done, found.low - found.cost, 0)
  v = state.v - change
  # Rows met on the way are those of the final columns, and the new one.
  rows = jnp.where(found.done & (state.box_of >= 0), state.box_of, len(state.u))
  u = state.u.at[rows].add(change, mode="drop")
  u = u.at[row].add(found.low)
  box_of, query_of = _augment(found, row, state)
  return _Assignment(box_of, query_of, u, v)


def _search(cost: Array, row: Array, state: _Assignment) -> _Search:
  """Finds the cheapest path from `row` to a free column."""
  q = cost.shape[1]
  start = _Search(
    row,
    jnp.zeros(()),
    jnp.full(q, jnp.inf),
    jnp.full(q, -1, jnp.int32),
    jnp.zeros(q, bool),
    jnp.int32(-1),
  )

  def relax(s):
    reached = s.low + cost[s.row] - state.u[s.row] - state.v
    better = ~s.done & (reached < s.cost)
    length = jnp.where(better, reached, s.cost)
    via = jnp.where(better, s.row, s.via)
    column = jnp.argmin(jnp.where(s.done, jnp.inf, length)).astype(jnp.int32)
    owner = state.box_of[column]
    return _Search(
      owner,
      length[column],
      length,
      via,
      s.done | (jnp.arange(q) == column),
      jnp.where(owner < 0, column, -1),
    )

  return jax.lax.while_loop(lambda s: s.sink < 0, relax, start)


def _augment(
  found: _Search, row: Array, state: _Assignment
) -> tuple[Array, Array]:
  """Gives each row on the path the column that it was reached by."""

  def body(carry):
    column, box_of, query_of, _ = carry
    box = found.via[column]
    before = query_of[box]
    return (
      before,
      box_of.at[column].set(box),
      query_of.at[box].set(column),
      box == row,
    )

  start = (found.sink, state.box_of, state.query_of, jnp.bool_(False))
  _, box_of, query_of, _ = jax.lax.while_loop(lambda c: ~c[3], body, start)
  return box_of, query_of
