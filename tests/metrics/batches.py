"""Metrics of classifiers over ragged batches, as an evaluation adds them."""

import jax
import jax.numpy as jnp
import numpy as np


def evaluate(metric, logits, label, size=16):
  """Runs in batches, of which the last one is padded with nonsense."""
  sums, parts = {}, []
  measure = jax.jit(metric.measure)
  for start in range(0, len(logits), size):
    x, y = logits[start : start + size], label[start : start + size]
    pad = size - len(x)
    batch = {
      "label": np.concatenate([y, np.full((pad, *y.shape[1:]), -1, y.dtype)]),
      "mask": np.arange(size) < len(x),
    }
    nonsense = np.full((pad, x.shape[1]), np.nan, np.float32)
    x = np.concatenate([x, nonsense])
    more, rows = measure(metric.state, {"logits": jnp.asarray(x)}, batch)
    for key, value in more.items():
      whole = np.issubdtype(value.dtype, np.integer)
      wide = np.asarray(value, np.int64 if whole else np.float64)
      sums[key] = sums.get(key, 0) + wide
    parts.append({k: np.asarray(v)[: size - pad] for k, v in rows.items()})
  rows = {k: np.concatenate([p[k] for p in parts]) for k in parts[0]}
  return metric.result(sums, rows)
