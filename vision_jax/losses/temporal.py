"""Losses of sequences, a value for each frame."""

import jax
import jax.numpy as jnp

from vision_jax.core.types import Array


def frame_cross_entropy(logits: Array, target: Array) -> Array:
  """Cross entropy of frames: logits (..., t, k), target (..., t) -> (..., t).

  Where the target is no class the value means nothing, and has to be masked.
  """
  k = logits.shape[-1]
  log_probs = jax.nn.log_softmax(logits.astype(jnp.float32))
  label = jnp.clip(target.astype(jnp.int32), 0, k - 1)[..., None]
  return -jnp.take_along_axis(log_probs, label, -1)[..., 0]


def truncated_mse(logits: Array, most: float = 4.0) -> Array:
  """How much the log-probs of classes change from frame to frame, squared.

  Abu Farha & Gall (2019), equations 7 to 9: the mean over the classes of the
  squared difference to the frame before, which is held fast, of at most `most`
  before it is squared.

  Args:
    logits: (..., t, k).
    most: tau in the paper, 4 there.

  Returns:
    (..., t - 1), of the second frame and on.
  """
  log_probs = jax.nn.log_softmax(logits.astype(jnp.float32))
  before = jax.lax.stop_gradient(log_probs[..., :-1, :])
  change = jnp.square(log_probs[..., 1:, :] - before)
  return jnp.mean(jnp.minimum(change, most**2), -1)
