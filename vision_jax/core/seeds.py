"""The keys that seeds stand for."""

import jax

from vision_jax.core.types import Array
from vision_jax.errors import UserError

LARGEST_SEED = 2**32 - 1


def make_key(seed: int) -> Array:
  """Returns the typed PRNG key of a seed.

  Raises:
    UserError: for a seed that does not fit 32 bits, which jax takes or refuses
      by its settings: one that wraps around is another seed's key.
  """
  check_seed(seed)
  return jax.random.key(seed)


def check_seed(seed: int) -> None:
  """Checks that a seed has 32 bits.

  Raises:
    UserError: if not.
  """
  if not 0 <= seed <= LARGEST_SEED:
    raise UserError(f"seed: got {seed}; expected 0 to {LARGEST_SEED}.")
