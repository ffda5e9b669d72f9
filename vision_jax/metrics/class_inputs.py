"""What the metrics of classifiers read: logits and labels of three kinds.

One class an image: `label` int (b,), logits (b, k), probs by softmax.
Two classes by one logit: `label` int (b,), 0 or 1, logits (b, 1), by sigmoid;
  taken as two logits, of which the first is 0.
Several labels an image: `label` indicators (b, k), each by its own sigmoid.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from vision_jax.core.types import Array, Batch
from vision_jax.errors import UserError

Measured = tuple[dict[str, Array], dict[str, Array]]


def inputs(out: Any, batch: Batch) -> tuple[Array, Array, Array]:
  """Returns logits (b, k) float32, labels (b,) or (b, k), mask (b,) float32.

  Raises:
    UserError: if the shapes do not fit together.
  """
  logits, label = out["logits"].astype(jnp.float32), batch["label"]
  if label.shape not in (logits.shape[:1], logits.shape) or logits.ndim != 2:
    raise UserError(
      f"label: got shape {label.shape} for logits {logits.shape}; expected "
      "logits (b, k) and label (b,) or (b, k)."
    )
  if label.ndim == 1 and logits.shape[-1] == 1:
    logits = jnp.concatenate([jnp.zeros_like(logits), logits], -1)
  return logits, label, batch["mask"].astype(jnp.float32)


def indicators(label: Array, logits: Array) -> Array:
  """Returns which classes are right, bool (b, k); none out of range."""
  if label.ndim == 2:
    return label > 0
  return label[:, None] == jnp.arange(logits.shape[-1])


def probs(label: Array, logits: Array) -> Array:
  """Returns the probability of each class, (b, k), by the kind of label."""
  several = label.ndim == 2
  return jax.nn.sigmoid(logits) if several else jax.nn.softmax(logits)


def decided(label: Array, logits: Array, threshold: float | None) -> Array:
  """Returns which classes are predicted, bool (b, k).

  The class of the largest logit (of equal ones the lowest); of several labels,
  or of two classes with a threshold, what has at least that probability, 0.5
  by default. Logits that are NaN predict nothing.
  """
  several, k = label.ndim == 2, logits.shape[-1]
  if several or threshold is not None:
    found = probs(label, logits) >= (0.5 if threshold is None else threshold)
  if not several:
    best = jnp.argmax(logits, -1)
    if threshold is not None:
      best = found[:, 1].astype(best.dtype)
    found = best[:, None] == jnp.arange(k)
  return found & ~jnp.any(jnp.isnan(logits), -1, keepdims=True)


def check_threshold(threshold: float | None, label: Array, k: int) -> None:
  """Refuses a threshold of more than two classes, of which one is chosen.

  Raises:
    UserError: saying so.
  """
  if threshold is not None and label.ndim == 1 and k > 2:
    raise UserError(
      f"threshold: got {threshold} for {k} classes of which each image has "
      "one; expected None (the most likely class), two classes or several "
      "labels an image."
    )


def check_names(class_names: Sequence[str], k: int) -> None:
  """Refuses class names that are not as many as the classes.

  Raises:
    UserError: with both numbers.
  """
  if class_names and len(class_names) != k:
    raise UserError(f"class_names: got {len(class_names)} for {k} logits.")


def count_of(count: Any) -> float:
  """Returns a number of examples.

  Raises:
    UserError: if it is 0.
  """
  if not count > 0:
    raise UserError("No example has mask 1; expected one at least.")
  return float(count)
