"""Vector quantisation: its gradient, its table, one result everywhere."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from tests.experiments.everywhere import (
  assert_equal_everywhere,
  assert_resumes,
  digits,
)
from tests.tables import labelled_images
from vision_jax.core.state import create_state
from vision_jax.core.step import make_train_step
from vision_jax.models.generation.vq_vae import VQVAE
from vision_jax.ops.inputs import normalize
from vision_jax.pipelines.colours import SIGNED
from vision_jax.tasks.vector_quantisation import VectorQuantisation


def narrow(channels=3, **fields):
  """A net of 2x2 codes of images of 8x8."""
  sizes = {"size": 8, "features": 3, "widths": (4, 4), "hidden": 4}
  return VQVAE(channels, **{**sizes, "blocks": 1, **fields})


def batch_of(size=8, seed=0):
  batch = labelled_images(size, seed)
  return batch | {"image": np.tanh(batch["image"])}


def begun(task):
  batch = batch_of()
  return jax.jit(lambda: task.init(jax.random.key(0), batch))()


def shapes(task, batch):
  return jax.eval_shape(lambda: task.init(jax.random.key(0), batch))


def test_shapes_and_sides_that_do_not_halve():
  task, batch = VectorQuantisation(narrow()), batch_of()
  params, stats = shapes(task, batch)
  assert stats["model"]["codebook"]["codebook"]["vectors"].shape == (8, 3)
  out = jax.eval_shape(
    lambda *nets: task.predict(*nets, batch, jax.random.key(0)), params, stats
  )
  assert out["image"].shape == batch["image"].shape
  assert out["codes"].shape == (8, 2, 2) and out["codes"].dtype == jnp.int32
  batch["image"] = np.zeros((8, 10, 8, 3), np.float32)
  with pytest.raises(ValueError, match=r"10 x 8 .* divisible by 4"):
    shapes(task, batch)


@pytest.mark.parametrize(
  ("fields", "message"),
  [
    ({"beta": -1.0}, "beta: got -1.0"),
    ({"decay": 1.0}, "decay: got 1.0; expected 0 or more and below 1"),
    ({"restart": 2.0}, "restart: got 2.0"),
  ],
)
def test_bad_values(fields, message):
  with pytest.raises(ValueError, match=message):
    VectorQuantisation(narrow(), **fields)


@pytest.mark.slow
def test_the_gradient_passes_straight_through():
  """That of z is the decoder's at the vectors, and the commitment's own."""
  task, batch = VectorQuantisation(narrow(), beta=0.5), batch_of()
  params, stats = begun(task)
  variables = {"params": params["model"], **stats["model"]}
  run = lambda method, *x: task.model.apply(variables, *x, method=method)
  z = run("encode", batch["image"])
  vectors, _ = run("quantise", z)
  error = lambda v: jnp.mean((run("draw", v) - batch["image"]) ** 2)
  cotangent = jax.grad(error)(vectors) + 0.5 * 2 * (z - vectors) / z.size

  def encoded(own):
    variables = {"params": own, **stats["model"]}
    return task.model.apply(variables, batch["image"], method="encode")

  (want,) = jax.vjp(encoded, params["model"])[1](cotangent)
  objective = task.objectives[0]

  def loss(own):
    terms, _ = objective.loss(
      {"model": own}, stats, batch, jax.random.key(0), step=0, train=False
    )
    weigh = lambda item: item[1] * terms[item[0]].divide()
    return sum(map(weigh, objective.weights.items()))

  got = jax.grad(loss)(params["model"])
  for x, y in zip(
    jax.tree.leaves(got["encoder"]), jax.tree.leaves(want["encoder"]),
    strict=True,
  ):  # fmt: skip
    np.testing.assert_allclose(x, y, rtol=1e-3, atol=1e-6)
    assert np.abs(y).max() > 0


@pytest.mark.slow
@pytest.mark.parametrize("learned", [False, True])
def test_it_learns_a_batch_and_uses_its_codes(learned):
  model = narrow(widths=(8, 8), hidden=8, learned=learned)
  task = VectorQuantisation(model, decay=0.8, restart=0.2)
  batch, optimizers = batch_of(16), {"model": optax.adam(1e-2)}
  state = create_state(task, optimizers, jax.random.key(0), batch)
  step, errors = jax.jit(make_train_step(task, optimizers)), []
  for _ in range(150):
    state, logs = step(state, batch)
    errors.append(float(logs["mse"]))
  assert np.mean(errors[-10:]) < 0.4 * errors[0]
  assert float(logs["perplexity"]) > (2 if learned else 4)


def quantised(**fields):
  task = VectorQuantisation(narrow(1), decay=0.5, restart=0.5, **fields)
  return lambda: digits(task, inputs=normalize(*SIGNED), augment=None)


@pytest.mark.slow
def test_it_is_the_same_everywhere():
  assert_equal_everywhere(quantised(), rounding=1e-4)


@pytest.mark.slow
def test_it_resumes(tmp_path):
  assert_resumes(quantised(), tmp_path)
