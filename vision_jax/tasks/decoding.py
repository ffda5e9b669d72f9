"""Writing a token after the other: what is taught, and the likeliest.

A text is tokens (b, n) with `end` behind them, the number of no token, which
also begins it.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from vision_jax.core.types import Array


def taught(text: Array, end: int) -> tuple[Array, Array, Array]:
  """Maps texts (b, n) to tokens, the truth and what counts, (b, n + 1) each.

  The net sees the tokens before each of the truth ("teacher forcing"); an end
  counts, and nothing behind it.
  """
  around = lambda where: jnp.pad(text, ((0, 0), where), constant_values=end)
  tokens, label = around((1, 0)), around((0, 1))
  counts = (tokens != end).at[:, 0].set(True)
  return tokens, label, counts.astype(jnp.float32)


def greedy(
  decode: Callable[[Array], Array], b: int, n: int, end: int
) -> tuple[Array, Array]:
  """Writes up to n tokens, each the likeliest after the others.

  Args:
    decode: tokens (b, n + 1) -> logits (b, n + 1, k) of those that follow.
    b: number of texts.
    n: tokens of the longest text.
    end: number of no token.

  Returns:
    The texts (b, n), and their log-probabilities (b,), with the end's.
  """

  def step(carry, i):
    tokens, ended, log_prob = carry
    logits = jax.lax.dynamic_index_in_dim(decode(tokens), i, 1, False)
    values = jax.nn.log_softmax(logits)
    best = jnp.where(ended, end, jnp.argmax(values, -1).astype(jnp.int32))
    log_prob += jnp.where(ended, 0, jnp.max(values, -1))
    after = jnp.arange(n + 1, dtype=jnp.int32) == i + 1
    tokens = jnp.where(after, best[:, None], tokens)
    return (tokens, ended | (best == end), log_prob), best

  first = jnp.full((b, n + 1), end, jnp.int32)
  begin = (first, jnp.zeros(b, bool), jnp.zeros(b, jnp.float32))
  places = jnp.arange(n + 1, dtype=jnp.int32)
  (_, _, log_prob), found = jax.lax.scan(step, begin, places)
  return found.T[:, :n], log_prob
