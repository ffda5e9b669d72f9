"""Products at every place of a map: both forms' derivatives are alike."""

import jax
import jax.numpy as jnp
import numpy as np

from vision_jax.forms.choice import cpu_forms
from vision_jax.ops.product import LARGE_PLACES, product


def traced(x, kernel):
  """The program as text; a function of its own, or jax gives an earlier one."""
  return str(jax.make_jaxpr(lambda *a: product(*a))(x, kernel))


def test_forms_agree_to_the_second_derivative():
  x = jax.random.normal(jax.random.key(0), (2, 32, LARGE_PLACES // 64, 3))
  kernel = jax.random.normal(jax.random.key(1), (3, 5))
  call = lambda x, k: jnp.sum(jnp.sin(product(x, k)))
  slope = lambda x, k: jnp.sum(jnp.cos(jax.grad(call, (0, 1))(x, k)[1]))

  def all_of(x, k):
    return product(x, k), jax.grad(call, (0, 1))(x, k), jax.grad(slope)(x, k)

  found = []
  for on in (True, False):
    with cpu_forms(on):
      lowered = jax.jit(lambda *a: all_of(*a)).lower(x, kernel)
      assert ("custom_vjp" in traced(x, kernel)) == on
      found.append(jax.tree.leaves(lowered.compile()(x, kernel)))
  for a, b in zip(*found, strict=True):
    np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


def test_few_places_and_narrow_types_are_plain_products():
  plain = lambda *a: "custom_vjp" not in traced(*a)
  x, kernel = jnp.ones((1, 32, 32, 3)), jnp.ones((3, 5))
  with cpu_forms(True):
    assert plain(x[:, 1:], kernel) and not plain(x, kernel)
    assert plain(*(a.astype(jnp.bfloat16) for a in (x, kernel)))
