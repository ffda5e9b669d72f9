"""Randomness by example: the same for an example wherever it is computed.

An example's draws depend on the step's key and on its `index` alone, so a batch
gives the same images whole or in shards, under every execution.
"""

import jax
import jax.numpy as jnp

from vision_jax.core.types import Array, Batch
from vision_jax.errors import UserError


def example_keys(batch: Batch, key: Array) -> Array:
  """Returns a threefry key for each example, (b,).

  Args:
    batch: its `index` (b,) says which examples these are.
    key: the step's key, of any implementation: under vmap "rbg" draws from the
      batch as a whole, so that halves would differ.
  """
  if "index" not in batch:
    raise UserError(
      f"batch: got the keys {sorted(batch)}; augmentations need `index` (b,), "
      "the position of each example, which a Loader gives."
    )
  seed = jax.random.bits(key, (2,), jnp.uint32)
  base = jax.random.wrap_key_data(seed, impl="threefry2x32")
  fold = lambda i: jax.random.fold_in(base, i)
  return jax.vmap(fold)(batch["index"])


def uniforms(batch: Batch, key: Array, number: int) -> Array:
  """Returns `number` draws from [0, 1) for each example, (b, number)."""
  keys = example_keys(batch, key)
  return jax.vmap(lambda k: jax.random.uniform(k, (number,), jnp.float32))(keys)


def integers(uniform: Array, number: int) -> Array:
  """Turns draws from [0, 1) into integers 0 ... number - 1."""
  # The product may round up to `number`.
  return jnp.minimum((uniform * number).astype(jnp.int32), number - 1)
