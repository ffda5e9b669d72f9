"""What a net says of each class, one number an image and class."""

from typing import Any

import jax
import jax.numpy as jnp

from vision_jax.core.types import Array
from vision_jax.errors import UserError
from vision_jax.explain.net import Net


def scores(net: Net, out: Any) -> tuple[Array, Array]:
  """Returns scores (b, k), and the class (b,) that is predicted.

  A classifier's are its logits. A segmenter's are sums of a class's logits over
  the pixels that are predicted to be of it (Vinogradova et al., 2020), or over
  all where none is; the class is that of most pixels. A detector's are the
  largest logits of any query or place.

  Args:
    net: whose they are.
    out: of the net.

  Raises:
    UserError: for another net's outputs.
  """
  if isinstance(out, dict) and "logits" in out:
    logits = out["logits"]
    if isinstance(logits, tuple):  # of the levels of a pyramid
      logits = jnp.concatenate(logits, 1).max(1)
    else:  # of a decoder's layers
      logits = logits[-1].max(1)
    logits = logits[:, : -1 if net.task.background else None]
    return logits, logits.argmax(-1)
  if getattr(out, "ndim", 0) == 2:
    return out, out.argmax(-1)
  if getattr(out, "ndim", 0) == 4:
    best = jax.nn.one_hot(out.argmax(-1), out.shape[-1])
    pixels = best.sum((1, 2))
    counted = jnp.where(pixels[:, None, None] > 0, best, 1)
    return (out * counted).sum((1, 2)), pixels.argmax(-1)
  raise UserError(
    f"--method=gradcam: {net.name} scores no classes; expected a classifier, a "
    "segmenter or a detector."
  )
