"""Connectionist temporal classification, of texts that are not aligned."""

import jax
import jax.numpy as jnp

from vision_jax.core.types import Array

LOW = -1e5  # log of a probability of 0; finite, as gradients have to be


def ctc(logits: Array, label: Array, mask: Array) -> Array:
  """Minus the log-probability of texts, (b,) in nats: Graves et al. (2006).

  Of all ways to write a text in t columns, each a letter or nothing, where the
  same letter in neighbouring columns is one letter. A text that no way is long
  enough for has a value of about -LOW, without a gradient that helps.

  Args:
    logits: (b, t, k), of columns; the last class is nothing, the blank.
    label: (b, n) letters, below k - 1 where they count.
    mask: (b, n), true where there is a letter: none before the last.
  """
  blank, n = logits.shape[-1] - 1, label.shape[1]
  states = jnp.full((len(label), 2 * n + 1), blank, jnp.int32)
  states = states.at[:, 1::2].set(label)  # a blank around each letter
  log_probs = jax.nn.log_softmax(logits.astype(jnp.float32))
  given = jnp.take_along_axis(log_probs, states[:, None], axis=2)
  # A blank may be left out between letters that differ.
  skips = (states != blank) & (states != _moved(states, 2, blank))
  first = jnp.where(jnp.arange(2 * n + 1) < 2, given[:, 0], LOW)

  def step(alpha, column):
    one, two = _moved(alpha, 1, LOW), _moved(alpha, 2, LOW)
    alpha = jnp.logaddexp(alpha, one)
    alpha = jnp.logaddexp(alpha, jnp.where(skips, two, LOW))
    return alpha + column, None

  alpha, _ = jax.lax.scan(step, first, given[:, 1:].swapaxes(0, 1))
  last = 2 * jnp.sum(mask, 1, dtype=jnp.int32)[:, None]
  blank_last = jnp.take_along_axis(alpha, last, 1)
  letter = jnp.take_along_axis(alpha, jnp.maximum(last - 1, 0), 1)
  letter = jnp.where(last > 0, letter, LOW)
  return -jnp.logaddexp(blank_last, letter)[:, 0]


def _moved(x: Array, by: int, fill: float) -> Array:
  """Returns x (b, s) moved to the right."""
  return jnp.pad(x, ((0, 0), (by, 0)), constant_values=fill)[:, : x.shape[1]]
