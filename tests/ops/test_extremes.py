"""The largest of a line: its value, its gradient, and where several are."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vision_jax.ops.extremes import largest


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_value_and_gradient_are_those_of_numpys_argmax(axis):
  x = np.random.default_rng(0).normal(size=(3, 4, 5)).astype(np.float32)
  np.testing.assert_array_equal(largest(jnp.asarray(x), axis), x.max(axis))
  grad = jax.grad(lambda x: jnp.sum(jnp.sin(largest(x, axis))))(jnp.asarray(x))
  place = np.expand_dims(x.argmax(axis), axis)
  want = np.zeros_like(x)
  np.put_along_axis(
    want, place, np.cos(np.take_along_axis(x, place, axis)), axis
  )
  np.testing.assert_allclose(grad, want, rtol=1e-6)


def test_the_first_of_several_gets_all():
  grad = jax.grad(lambda x: largest(x, 0))(jnp.asarray([1.0, 2.0, 2.0]))
  np.testing.assert_array_equal(grad, [0, 1, 0])


def test_infinite_numbers_beside_it_do_no_harm():
  x = jnp.asarray([[-jnp.inf, 3.0], [jnp.inf, 0.0]])
  np.testing.assert_array_equal(largest(x, 1), [3.0, jnp.inf])


def test_a_number_that_is_none_is_found():
  assert np.isnan(largest(jnp.asarray([1.0, jnp.nan, 2.0]), 0))
