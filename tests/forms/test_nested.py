"""Loops and branches in both forms: equal, and flat without inner programs."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vision_jax.forms.choice import use_forms
from vision_jax.forms.nested import scan, when

FORMS = ("program", "flat")
XS = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)


def added(xs):
  body = lambda carry, x: (carry + jnp.sum(x**2), {"root": jnp.sqrt(carry)})
  return scan(body, jnp.float32(1), xs)


def in_form(which, fn, *args):
  """What a function gives, and what XLA is given of it."""
  with use_forms(nested=which):
    lowered = jax.jit(lambda *args: fn(*args)).lower(*args)
  return lowered.compile()(*args), lowered.as_text()


def test_a_flat_loop_is_the_same():
  (total, ys), program = in_form("program", added, XS)
  (flat, flat_ys), text = in_form("flat", added, XS)
  np.testing.assert_allclose(flat, total, rtol=1e-6)
  np.testing.assert_allclose(flat_ys["root"], ys["root"], rtol=1e-6)
  assert "while" in program and "while" not in text


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_numbers_that_are_none_change_no_other(bad):
  """A carry may hold them: as what is logged, or as a bound to begin with."""

  def kept(xs):
    body = lambda carry, x: ((carry[0] + x, *carry[1:]), x)
    return scan(body, (jnp.zeros(4), jnp.float32(bad), jnp.float32(-bad)), xs)

  (total, *_), rows = in_form("flat", kept, XS)[0]
  np.testing.assert_array_equal(rows, XS)
  np.testing.assert_allclose(total, XS.sum(0), rtol=1e-6)


@pytest.mark.parametrize("due", [True, False])
def test_what_is_due_has_its_derivative(due):
  def slope(due, which):
    value = lambda x: when(due, lambda: x**3, lambda: jnp.zeros_like(x))
    return in_form(which, jax.grad(value), jnp.float32(2))

  for which in FORMS:
    found, text = slope(jnp.asarray(due), which)
    assert found == (12 if due else 0), which
  decided = functools.partial(in_form, "flat")
  _, text = decided(lambda d, x: when(d, lambda: x, lambda: -x), due, 1.0)
  assert "case" not in text and "select" in text
