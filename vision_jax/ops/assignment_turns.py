"""Optimal assignment in one loop of few, wide turns.

The algorithm of `assignment_nested` (Crouse, 2016), for machines on which a
loop's condition is dear: a GPU's host reads it at every turn. Three changes:

- Rows whose cheapest column nobody else wants are matched at once, which is
  optimal for them with the prices that this leaves (Jonker & Volgenant, 1987).
- Searching and changing a path are states of one loop, so that the images of a
  batch do not wait for each other between rows.
- A turn of the loop makes several moves.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from vision_jax.core.types import Array

MOVES = 4  # in a turn: eight gain little more and compile three times as long


class _State(NamedTuple):
  """A matching under construction; `row` is -1 once it is complete."""

  row_of: Array  # (q,) the row of each column, -1 for none
  column_of: Array  # (n,) the column of each row, -1 for none
  u: Array  # (n,) prices of the rows
  v: Array  # (q,) and of the columns; cost - u - v is never negative
  row: Array  # that is being matched
  at: Array  # row whose edges are looked at next
  low: Array  # length of the path to it
  length: Array  # (q,) of the shortest path to each column so far
  via: Array  # (q,) the row before it on that path
  done: Array  # (q,) whether that length is final
  sink: Array  # column that the path's rest is to be changed from; -1: search


def assign(cost: Array, real: Array) -> tuple[Array, Array]:
  """Matches every real row of cost (n, q), n <= q, with a column.

  Returns:
    The column of each row (n,) and the row of each column (q,), int32, -1 for
    none, of the smallest sum of costs.
  """

  def turn(state):
    for _ in range(MOVES):
      state = _move(cost, real, state)
    return state

  end = jax.lax.while_loop(lambda s: s.row >= 0, turn, _start(cost, real))
  return end.column_of, end.row_of


def _start(cost: Array, real: Array) -> _State:
  """Matches each row with its cheapest column, unless an earlier one has it."""
  n, q = cost.shape
  rows, columns = jnp.arange(n, dtype=jnp.int32), jnp.arange(q, dtype=jnp.int32)
  best = jnp.argmin(cost, axis=1).astype(jnp.int32)
  same = (best[:, None] == best) & real & (rows < rows[:, None])
  first = real & ~jnp.any(same, axis=1)
  taken = first[:, None] & (best[:, None] == columns)
  state = _State(
    row_of=jnp.where(taken.any(0), jnp.argmax(taken, 0), -1).astype(jnp.int32),
    column_of=jnp.where(first, best, -1),
    u=jnp.min(cost, axis=1),
    v=jnp.zeros(q, cost.dtype),
    row=jnp.int32(-1),
    at=jnp.int32(0),
    low=jnp.zeros((), cost.dtype),
    length=jnp.full(q, jnp.inf, cost.dtype),
    via=jnp.full(q, -1, jnp.int32),
    done=jnp.zeros(q, bool),
    sink=jnp.int32(-1),
  )
  return _next_row(state, real)


def _next_row(state: _State, real: Array) -> _State:
  """Starts the search for the next row that has no column."""
  free = real & (state.column_of < 0)
  row = jnp.where(free.any(), jnp.argmax(free), -1).astype(jnp.int32)
  return state._replace(
    row=row,
    at=row,
    low=jnp.zeros_like(state.low),
    length=jnp.full_like(state.length, jnp.inf),
    via=jnp.full_like(state.via, -1),
    done=jnp.zeros_like(state.done),
    sink=jnp.int32(-1),
  )


def _move(cost: Array, real: Array, state: _State) -> _State:
  """Looks at one row's edges, or changes one row's column; or does nothing."""
  searched = _search(cost, state)
  changed = _change(state, real)
  moved = _select(state.sink < 0, searched, changed)
  return _select(state.row < 0, state, moved)


def _search(cost: Array, s: _State) -> _State:
  """One step of Dijkstra's search for the cheapest path to a free column."""
  reached = s.low + cost[s.at] - s.u[s.at] - s.v
  better = ~s.done & (reached < s.length)
  length = jnp.where(better, reached, s.length)
  column = jnp.argmin(jnp.where(s.done, jnp.inf, length)).astype(jnp.int32)
  low, owner = length[column], s.row_of[column]
  done = s.done | (jnp.arange(len(s.done)) == column)
  further = s._replace(
    at=owner,
    low=low,
    length=length,
    via=jnp.where(better, s.at, s.via),
    done=done,
  )
  # A free column: prices move, so that every edge of the path costs nothing.
  change = jnp.where(done, low - length, 0)
  matched = jnp.where(s.column_of >= 0, change[s.column_of], 0)
  own = jnp.where(jnp.arange(len(s.u)) == s.row, low, 0)
  found = further._replace(u=s.u + matched + own, v=s.v - change, sink=column)
  return _select(owner < 0, found, further)


def _change(s: _State, real: Array) -> _State:
  """Gives the sink's column to the row that it was reached from."""
  row = s.via[s.sink]
  columns, rows = jnp.arange(len(s.v)), jnp.arange(len(s.u))
  after = s._replace(
    row_of=jnp.where(columns == s.sink, row, s.row_of),
    column_of=jnp.where(rows == row, s.sink, s.column_of),
    sink=s.column_of[row],
  )
  return _select(row == s.row, _next_row(after, real), after)


def _select(which: Array, yes: _State, no: _State) -> _State:
  return jax.tree.map(lambda a, b: jnp.where(which, a, b), yes, no)
