"""bfloat16 in every family: heads in float32, and losses near float32's."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.marks import with_slow
from tests.tables_families import FAMILIES
from vision_jax.recipe import recipe

PRODUCTS = ("dot_general", "conv_general_dilated")


def body(equation):
  """The jaxpr that an equation calls, if it does."""
  called = equation.params.get("jaxpr", equation.params.get("call_jaxpr"))
  return getattr(called, "jaxpr", called)


def last_products(jaxpr, wanted):
  """The dtypes of the products that outputs, `wanted`, come from."""
  found, wanted = set(), set(wanted)
  for equation in reversed(jaxpr.eqns):
    if not wanted & set(equation.outvars):
      continue
    if equation.primitive.name in PRODUCTS:
      found |= {str(x.aval.dtype) for x in equation.invars}
      continue
    if (inner := body(equation)) is not None:
      reached = last_products(inner, inner.outvars)
      if reached:
        found |= reached
        continue
    wanted |= {x for x in equation.invars if not hasattr(x, "val")}
  return found


@pytest.mark.parametrize(
  "name", with_slow(FAMILIES, "faster_rcnn", "keypoint_rcnn", "rt_detr")
)
def test_heads_and_outputs_are_float32(name):
  family = FAMILIES[name]
  model = family.make(dtype=jnp.bfloat16)
  variables = family.variables(model)
  assert {str(x.dtype) for x in jax.tree.leaves(variables)} == {"float32"}
  apply = lambda v, *x: model.apply(v, *x, train=False)
  closed = jax.make_jaxpr(apply)(variables, *family.inputs)
  assert {str(x.dtype) for x in closed.out_avals} == {"float32"}
  jaxpr = closed.jaxpr
  assert last_products(jaxpr, jaxpr.outvars) == {"float32"}
  assert "bfloat16" in set(products(jaxpr))


def products(jaxpr):
  """The dtype of every product."""
  for equation in jaxpr.eqns:
    if equation.primitive.name in PRODUCTS:
      yield str(equation.outvars[0].aval.dtype)
    if (inner := body(equation)) is not None:
      yield from products(inner)


# One config a family, at a rate whose steps do not magnify a rounding; those
# that compile quickly are not slow.
TRAINED = {
  "classification/digits_cnn": ({"lr": "0.01"}, True),
  "classification/mnist_vit": ({}, True),
  "segmentation/digit_scenes_unet": ({"lr": "0.003"}, True),
  "detection/digit_scenes_yolo": ({}, True),
  "generation/digits_autoencoder": ({}, True),
  "generation/digits_vae": ({}, False),
  "generation/digits_gan": ({}, True),
  "generation/digits_ddpm": ({}, True),
}


def losses(path, values):
  """The sum of all losses, of each of 20 steps of a tiny variant."""
  loaded = recipe.load(f"configs/{path}.py:tiny", values)
  experiment = loaded.build()
  batches = [experiment.train_data.batch(i) for i in range(20)]
  step = experiment.train_step()

  def run(stacked):
    first = jax.tree.map(lambda x: x[0], stacked)
    key = jax.random.key(0, impl="rbg")
    state = experiment.initial_state(key, first)
    return jax.lax.scan(step, state, stacked)[1]

  stacked = jax.tree.map(lambda *x: np.stack(x), *batches)
  logs = jax.jit(run)(stacked)
  return sum(x for name, x in logs.items() if name.startswith("loss"))


@pytest.mark.parametrize(
  ("path", "values"),
  [
    pytest.param(path, values, marks=pytest.mark.slow if slow else ())
    for path, (values, slow) in TRAINED.items()
  ],
)
def test_twenty_steps_end_near_float32(path, values):
  full = losses(path, values | {"dtype": "float32"})
  low = losses(path, values | {"dtype": "bfloat16"})
  assert not np.array_equal(full, low)
  np.testing.assert_allclose(low[-5:].mean(), full[-5:].mean(), rtol=0.02)
