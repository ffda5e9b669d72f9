"""Optimal assignment in nested loops: a search and a change of path a row.

The shortest augmenting path algorithm of Jonker and Volgenant in the form of
Crouse (2016, https://doi.org/10.1109/TAES.2016.140952): rows enter one after
another, and Dijkstra's search over the columns finds the cheapest way to make
room for each. The search looks at all columns at once, so that a step of it is
a few vector operations.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from vision_jax.core.types import Array


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


def assign(cost: Array, real: Array) -> tuple[Array, Array]:
  """Matches every real row of cost (n, q), n <= q, with a column.

  Returns:
    The column of each row (n,) and the row of each column (q,), int32, -1 for
    none, of the smallest sum of costs.
  """
  n, q = cost.shape
  start = _Assignment(
    jnp.full(q, -1, jnp.int32),
    jnp.full(n, -1, jnp.int32),
    jnp.zeros(n, cost.dtype),
    jnp.zeros(q, cost.dtype),
  )
  # Real rows first, so that padding costs no turns.
  order = jnp.argsort(~real, stable=True).astype(jnp.int32)
  count = jnp.sum(real)
  body = lambda i, state: _insert(cost, order[i], state)
  end = jax.lax.fori_loop(0, count, body, start)
  return end.query_of, end.box_of


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
    jnp.zeros((), cost.dtype),
    jnp.full(q, jnp.inf, cost.dtype),
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
