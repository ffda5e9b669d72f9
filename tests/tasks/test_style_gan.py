"""StyleGAN: lengths of paths, mixed styles, truncation, executions."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.experiments.everywhere import (
  assert_equal_everywhere,
  assert_resumes,
  digits,
)
from tests.tables import labelled_images
from vision_jax.errors import UserError
from vision_jax.models.generation.stylegan2 import StyleGAN2Generator
from vision_jax.models.generation.stylegan2_discriminator import (
  StyleGAN2Discriminator,
)
from vision_jax.optim.optimizers import sgd
from vision_jax.tasks.gan import DISCRIMINATOR, GENERATOR
from vision_jax.tasks.style_gan import (
  PATH,
  StyleGAN,
  crossed,
  path_lengths,
)

KEY = jax.random.key(3)


def styled(shape=(8, 8, 3), classes=4, **options):
  generator = StyleGAN2Generator(shape, 6, (6, 4), 1, classes)
  judge = StyleGAN2Discriminator((4, 6), classes)
  return StyleGAN(generator, judge, **options)


@functools.cache
def begun(**options):
  """A task with its nets, and a batch of four images."""
  task, batch = styled(**options), labelled_images(4, 0)
  return task, *jax.jit(task.init)(KEY, batch), batch


def objective(task, name):
  (found,) = (o for o in task.objectives if o.net == name)
  return jax.jit(
    functools.partial(found.loss, train=True), static_argnames="step"
  )


def test_a_path_is_as_long_as_the_jacobian_says():
  """sqrt of the mean over layers of |J^T y|², J taken column by column."""
  rng = np.random.default_rng(0)
  w, y = rng.normal(size=(2, 3, 4)), rng.normal(size=(2, 5, 6, 2))
  weights = rng.normal(size=(3, 4, 60))
  w, y, weights = (x.astype(np.float32) for x in (w, y, weights))
  draw = lambda w: jnp.tanh(jnp.einsum("bld,ldp->bp", w, weights)).reshape(
    -1, 5, 6, 2
  )
  got = path_lengths(draw, w, y)
  for i in range(2):
    one = jax.jacfwd(lambda w: draw(w[None])[0])(w[i])
    product = np.einsum("hwc,hwcld->ld", y[i] / np.sqrt(30), one)
    expected = np.sqrt((product**2).sum(-1).mean())
    np.testing.assert_allclose(got[i], expected, rtol=1e-4)


@pytest.mark.slow
def test_paths_are_penalised_lazily_and_their_mean_moves():
  task, params, stats, batch = begun(path=2.0, path_every=4)
  run = objective(task, GENERATOR)
  at = lambda x: stats | {GENERATOR: {PATH: {"length": jnp.float32(x)}}}
  # Four times the mean of (length - x)²: at three x, one parabola.
  values = []
  for x in (0.0, 1.0, 2.0):
    terms, new = run(params, at(x), batch, KEY, step=4)
    values.append(float(terms[PATH].divide()))
    moved = float(new[GENERATOR][PATH]["length"].divide())
    values.append((moved - 0.99 * x) / 0.01)  # the batch's mean length
  zero, mean, one, mean_one, two, mean_two = values
  np.testing.assert_allclose([mean_one, mean_two], mean, rtol=1e-3)
  np.testing.assert_allclose(one - zero, 4 * (1 - 2 * mean), rtol=1e-3)
  np.testing.assert_allclose(two - zero, 4 * (4 - 4 * mean), rtol=1e-3)
  terms, new = run(params, at(1.0), batch, KEY, step=5)
  assert float(terms[PATH].divide()) == 0
  assert float(new[GENERATOR][PATH]["length"].count) == 0


@pytest.mark.slow
def test_samples_are_cut_mixed_and_of_their_index():
  task, params, stats, batch = begun()
  batch = batch | {"label": jnp.zeros_like(batch["label"])}
  draw = jax.jit(
    functools.partial(task.sample, params, stats, key=KEY),
    static_argnames=("truncation", "mix_from"),
  )
  whole = draw(batch)["image"]
  assert whole.shape == (4, 8, 8, 3)
  spread = lambda x: float(np.std(x, 0).mean())
  half, none = (draw(batch, truncation=t)["image"] for t in (0.5, 0.0))
  assert spread(whole) > spread(half) > spread(none) > -1
  np.testing.assert_allclose(none, none[:1].repeat(4, 0), atol=1e-4)
  # Without noise, as at the start, a mix from the first layer on but the
  # constant's is nearly the next image; from the last on nearly its own.
  last = draw(batch, mix_from=task.generator.layers - 1)["image"]
  first = draw(batch, mix_from=1)["image"]
  apart = lambda a, b: float(jnp.abs(a - b).mean())
  assert 0 < apart(last, whole) < apart(first, whole)
  assert apart(first[:-1], whole[1:]) < apart(first[:-1], whole[:-1])
  with pytest.raises(UserError, match="mix_from: got 9"):
    task.sample(params, stats, batch, KEY, mix_from=9)


def test_a_cross_is_at_a_layer_of_each_example():
  w, other = jnp.zeros((2, 4, 6)), jnp.ones((2, 6))
  found = np.asarray(crossed(w, other, jnp.array([1, 4])))[..., 0]
  np.testing.assert_array_equal(found, [[0, 1, 1, 1], [0, 0, 0, 0]])


@pytest.mark.slow
def test_styles_are_mixed_in_training():
  task, params, stats, batch = begun()
  never = dataclasses.replace(task, mixing=0.0)
  terms = [
    objective(x, GENERATOR)(params, stats, batch, KEY, step=0)[0]["generator"]
    for x in (never, dataclasses.replace(task, mixing=1.0), never)
  ]
  values = [float(x.divide()) for x in terms]
  assert values[0] == values[2] != values[1]


@pytest.mark.parametrize(
  ("options", "message"),
  [
    ({"mixing": 1.5}, "mixing: got 1.5"),
    ({"path": -1.0}, "path: got -1.0"),
    ({"path_every": 0}, "path_every=0"),
  ],
)
def test_numbers_that_cannot_be(options, message):
  with pytest.raises(UserError, match=message):
    styled(**options)


def of_digits():
  """With both penalties in a run of three steps."""
  task = styled((8, 8, 1), 10, r1=1.0, r1_every=2, path=0.5, path_every=2)
  rate = sgd(lambda step: 1e-3, 0.9)
  return digits(
    task,
    optimizers={GENERATOR: rate, DISCRIMINATOR: rate},
    augment=None,
    inputs=lambda batch: batch | {"image": batch["image"] / 127.5 - 1.0},
  )


@pytest.mark.slow
def test_it_is_the_same_everywhere():
  assert_equal_everywhere(of_digits, rounding=1e-4)


@pytest.mark.slow
def test_it_resumes(tmp_path):
  assert_resumes(of_digits, tmp_path)
