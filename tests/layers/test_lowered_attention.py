"""Attention as it is lowered for accelerators."""

import jax
import jax.numpy as jnp
import pytest

from tests.programs.lowering import lowered
from vision_jax.layers.attention import attend


def gradient(dtype, mask_shape=None, q=64, keys=96, backend="gpu"):
  """The text of attention's gradient for (2, q or keys, 2, 32)."""

  def loss(query, key, value, mask):
    return attend(query, key, value, mask).astype(jnp.float32).sum()

  array = lambda n: jax.ShapeDtypeStruct((2, n, 2, 32), dtype)
  mask = mask_shape and jax.ShapeDtypeStruct(mask_shape, bool)
  return lowered(
    backend,
    jax.grad(loss, argnums=(0, 1, 2)),
    *(array(q), array(keys), array(keys), mask),
  )


@pytest.mark.parametrize(
  "mask", [None, (2, 1, 1, 96), (1, 1, 1, 96), (2, 2, 64, 96)]
)
def test_cudnn_takes_bfloat16_with_any_mask(mask):
  text = gradient(jnp.bfloat16, mask)
  assert "__cudnn$fmha" in text.lower() and "backward" in text.lower()


def test_float32_is_left_to_xla():
  assert "__cudnn" not in gradient(jnp.float32, (2, 1, 1, 96))


def test_a_tpu_has_no_cudnn():
  text = gradient(jnp.bfloat16, (2, 1, 1, 96), backend="tpu")
  assert "cudnn" not in text.lower() and "dot_general" in text
