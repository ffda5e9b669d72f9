"""Which of an image's codes are hidden: in training, and less and less after.

A cosine says how many (Chang et al., MaskGIT, arXiv 2202.04200, section 3.3).
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from vision_jax.core.types import Array


def hidden_number(share: Array, length: int) -> Array:
  """Returns how many of `length` codes are hidden, int32: cos(pi/2 share).

  Args:
    share: of the way from all to none, (...) in [0, 1].
    length: number of codes.
  """
  angle = jnp.clip(share, 0, 1) * (math.pi / 2)
  # What float32 leaves of the cosine of a right angle is none.
  return jnp.floor(jnp.cos(angle) * length + 1e-4).astype(jnp.int32)


def lowest(values: Array, number: Array) -> Array:
  """Returns which are the lowest `number` (...) of values (..., l), bool."""
  rank = jnp.argsort(jnp.argsort(values, -1), -1)
  return rank < number[..., None]


class _Drawn(NamedTuple):
  codes: Array
  hidden: Array


def unmask(
  predict: Callable[[Array], Array],
  keys: Array,
  length: int,
  nothing: int,
  *,
  steps: int,
  temperature: float,
) -> Array:
  """Draws codes (b, length), all at once and the likely ones for good.

  In each of the steps hidden codes are drawn by their logits, and of all those
  the least likely are hidden again: fewer each time, and none at the end. It is
  one loop of one program.

  Args:
    predict: codes (b, length), of which `nothing` are hidden, -> logits
      (b, length, k).
    keys: (b,), by which an example is drawn.
    length: number of codes.
    nothing: the number that stands for a hidden code.
    steps: how many.
    temperature: of the noise on log-probabilities by which codes are kept; it
      falls to 0 at the end.
  """

  def step(drawn: _Drawn, number: Array) -> tuple[_Drawn, None]:
    logits = predict(jnp.where(drawn.hidden, nothing, drawn.codes))
    logits = logits.astype(jnp.float32)
    own = jax.vmap(lambda key: jax.random.fold_in(key, number))(keys)
    first, second = jnp.moveaxis(jax.vmap(jax.random.split)(own), 1, 0)
    new = jax.vmap(jax.random.categorical)(first, logits).astype(jnp.int32)
    codes = jnp.where(drawn.hidden, new, drawn.codes)
    sure = jnp.take_along_axis(
      jax.nn.log_softmax(logits), codes[..., None], axis=-1
    )[..., 0]
    share = (number + 1) / steps
    noise = jax.vmap(lambda key: jax.random.gumbel(key, (length,)))(second)
    sure += temperature * (1 - share) * noise
    sure = jnp.where(drawn.hidden, sure, jnp.inf)  # what is kept stays
    left = hidden_number(share, length)
    hidden = drawn.hidden & lowest(sure, jnp.full(len(keys), left))
    return _Drawn(codes, hidden), None

  shape = (len(keys), length)
  begin = _Drawn(jnp.zeros(shape, jnp.int32), jnp.ones(shape, bool))
  return jax.lax.scan(step, begin, jnp.arange(steps))[0].codes
