"""Confusion matrices of pixels, on the device and on the host: exact counts."""

import jax.numpy as jnp
import numpy as np

from vision_jax.core.types import Array
from vision_jax.errors import UserError

_CHUNK = 2**17  # pixels at a time: their codes stay in a core's cache
_SHOWN = 12  # values that a message lists
_MOST_IN_A_BYTE = 15  # classes whose pairs, and two marks, fit into 256 codes


def device_confusion(
  truth: Array, guess: Array, known: Array, num_classes: int
) -> Array:
  """Counts of (truth, guess) over the pixels that are known, int32 (k, k).

  All (b, h, w); the counts are whole numbers, of less than 2^31 pixels.
  """
  k = num_classes
  code = truth.astype(jnp.int32) * k + guess.astype(jnp.int32)
  code = jnp.where(known, code, k * k).ravel()
  counts = jnp.zeros(k * k + 1, jnp.int32).at[code].add(1)
  return counts[: k * k].reshape(k, k)


def host_confusion(
  truth: np.ndarray,
  guess: np.ndarray,
  num_classes: int,
  *,
  ignore: int | None = 255,
) -> np.ndarray:
  """Counts of (truth, guess) of numpy masks of any shape, int64 (k, k).

  Row label, column prediction. Masks of bytes with at most 15 classes are
  counted two pixels at a time, as one 16-bit code.

  Raises:
    UserError: if shapes differ, or a value is no class (says which).
  """
  truth, guess = np.asarray(truth), np.asarray(guess)
  if truth.shape != guess.shape:
    raise UserError(
      f"confusion matrix: got masks {truth.shape} and {guess.shape}; expected "
      "one shape."
    )
  truth, guess, k = truth.ravel(), guess.ravel(), num_classes
  bytes_ = truth.dtype == guess.dtype == np.uint8 and k <= _MOST_IN_A_BYTE
  count = _count_bytes if bytes_ else _count_any
  counts = np.zeros((k, k), np.int64)
  for start in range(0, truth.size, _CHUNK):
    part = slice(start, start + _CHUNK)
    counts += count(truth[part], guess[part], k, ignore)
  return counts


def _count_bytes(truth, guess, k, ignore):
  """Counts codes truth * k + guess, of which k * k ... are ignored."""
  strange = 256 - k  # the codes from here on are labels that are no class
  table = np.full(256, strange, np.uint8)
  table[:k] = np.arange(k) * k
  if ignore is not None:
    table[ignore] = k * k
  code = np.take(table, truth)
  if guess.max(initial=0) >= k:
    _check(guess[code < k * k], k, None, "prediction")
    guess = np.minimum(guess, k - 1)  # where the label is ignored
  code += guess
  even = code.size // 2 * 2
  pairs = np.bincount(code[:even].view(np.uint16), minlength=2**16)
  pairs = pairs.reshape(256, 256)
  counts = pairs.sum(0) + pairs.sum(1)
  counts += np.bincount(code[even:], minlength=256)
  if counts[strange:].any():
    _check(truth, k, ignore, "label")
  return counts[: k * k].reshape(k, k)


def _count_any(truth, guess, k, ignore):
  if ignore is not None:
    keep = truth != ignore
    truth, guess = truth[keep], guess[keep]
  _check(truth, k, None, "label")
  _check(guess, k, None, "prediction")
  code = truth.astype(np.int64) * k + guess
  return np.bincount(code, minlength=k * k).reshape(k, k)


def _check(values, k, ignore, what):
  bad = sorted({int(v) for v in np.unique(values)} - {*range(k), ignore})
  if bad:
    shown = ", ".join(map(str, bad[:_SHOWN])) + ", ..." * (len(bad) > _SHOWN)
    raise UserError(
      f"confusion matrix: got {what}s [{shown}]; expected classes 0 to {k - 1}"
      f"{'' if ignore is None else f' or {ignore}, which is ignored'}. Map the "
      "masks' values to classes, or choose `ignore`."
    )
