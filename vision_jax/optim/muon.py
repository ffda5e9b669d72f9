"""Muon's direction: orthogonalised momentum for kernels, Adam for the rest."""

import math
import re
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import optax
import optax.contrib

from vision_jax.optim import paths

# Jordan: embeddings and the classifier train with AdamW.
EMBEDDINGS_AND_HEADS = (
  r"(^|/)[^/]*embed[^/]*/",
  r"^(patch|stem|conv1|c1)/",
  r"(^|/)(head|classifier|logits|fc|output)/",
)
_HEADS_OUT = (
  r"(^|/)(query|key|value|qkv)/kernel$"  # (d, m, d / m): d to the rest
)


def orthogonalized_momentum(
  momentum: float,
  consistent_rms: float | None,
  adam_only: Sequence[str] | None,
  b1: float,
  b2: float,
) -> optax.GradientTransformation:
  """Returns the direction, before decay and rate.

  A "kernel" with two or more axes is a matrix: all axes but the last one are
  its rows, the last one is its columns; of an attention's query, key and value
  the first one is its rows. Each is orthogonalised as one matrix.
  """
  return optax.partition(
    {
      "muon": optax.chain(
        optax.contrib.scale_by_muon(
          beta=momentum,
          weight_dimension_numbers=lambda p: paths.map_paths(_axes, p),
        ),
        _scale_by_shape(consistent_rms),
      ),
      "adam": optax.chain(optax.scale_by_adam(b1, b2)),
    },
    lambda params: paths.map_paths(_labels(adam_only), params),
  )


def scale_adam(
  adam_only: Sequence[str] | None, rate: float
) -> optax.GradientTransformation:
  """Multiplies what Adam trains, its decay too, where it comes after that."""
  label = _labels(adam_only)

  def scale(path, update):
    return update * rate if label(path, update) == "adam" else update

  return optax.stateless(lambda u, _: paths.map_paths(scale, u))


def _labels(adam_only: Sequence[str] | None) -> Callable[[str, Any], str]:
  """Returns (path, leaf) -> "muon" or "adam"."""
  excluded = EMBEDDINGS_AND_HEADS if adam_only is None else tuple(adam_only)

  def label(path, leaf):
    matrix = path.split("/")[-1] == "kernel" and jnp.ndim(leaf) >= 2
    return "muon" if matrix and not paths.matches(excluded, path) else "adam"

  return label


def _axes(path: str, leaf: jax.Array) -> optax.contrib.MuonDimensionNumbers:
  split = 1 if re.search(_HEADS_OUT, path) else leaf.ndim - 1
  axes = tuple(range(leaf.ndim))
  return optax.contrib.MuonDimensionNumbers(axes[:split], axes[split:])


def _scale_by_shape(consistent_rms: float | None):
  def scale(path, update):
    axes = _axes(path, update)
    fan_in = math.prod(update.shape[a] for a in axes.reduction_axis)
    fan_out = math.prod(update.shape[a] for a in axes.output_axis)
    if consistent_rms is None:
      return update * math.sqrt(max(1.0, fan_out / fan_in))
    return update * consistent_rms * math.sqrt(max(fan_in, fan_out))

  return optax.stateless(lambda u, _: paths.map_paths(scale, u))
