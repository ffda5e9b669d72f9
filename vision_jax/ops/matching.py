"""Optimal one-to-one matching of boxes with queries, inside compiled steps.

Of the ways to run a batch (8 CPU devices, 16 images, 100 queries, 30 boxes of
which 8 are real, ms): partitioned by `jit` itself, `vmap` 4.9, which asks all
devices at every turn whether they are done, and `lax.map` 2.3, which gathers
the batch; each device its own images, `vmap` 0.5 and `lax.map` 0.3. So `match`
is `vmap`, kept local to each device.
"""

import jax
import jax.numpy as jnp

from vision_jax.core.types import Array
from vision_jax.forms.choice import form
from vision_jax.ops import assignment_nested, assignment_turns
from vision_jax.ops.local import per_image
from vision_jax.ops.shapes import check_shape

# What stands for a cost that is not a number: far above any real one, and
# small enough to be added up.
FORBIDDEN = 1e6


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
  return per_image(jax.vmap(match_one))(cost, box_mask.astype(jnp.float32))


def match_one(cost: Array, box_mask: Array) -> Array:
  """`match` for one image: (q, n) and (n,) to (n,); finite costs."""
  q, n = cost.shape
  if n <= q:
    return _assign(cost.T, box_mask > 0)[0]
  # More (padded) boxes than queries: the queries look for boxes, and padding
  # costs so much that it is taken only when no real box is left.
  spread = 1 + jnp.max(cost) - jnp.min(cost)
  padded = jnp.where(box_mask > 0, cost, jnp.max(cost) + spread * (q + 1))
  query = _assign(padded, jnp.ones(q, bool))[1]
  return jnp.where(box_mask > 0, query, -1)


def _assign(cost: Array, real: Array) -> tuple[Array, Array]:
  """Matches rows with columns, in the form chosen: see `assignment_turns`."""
  nested = form("matching") == "nested"
  return (assignment_nested if nested else assignment_turns).assign(cost, real)
