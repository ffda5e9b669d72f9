"""Autoencoders: the nets, the task, PCA's subspace, k-NN of codes."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.linalg

from vision_jax.core.state import create_state
from vision_jax.core.step import make_train_step
from vision_jax.metrics.latents import LatentNeighbours
from vision_jax.models.count import parameters
from vision_jax.models.generation.autoencoder import (
  Autoencoder,
  ConvDecoder,
  ConvEncoder,
  DenseDecoder,
  DenseEncoder,
  linear_autoencoder,
)
from vision_jax.tasks.autoencoder import Autoencoding


def dense():
  return Autoencoder(DenseEncoder(3, (8,)), DenseDecoder((8, 8, 1), (8,)))


def conv():
  return Autoencoder(ConvEncoder(3, (4, 8)), ConvDecoder((8, 8, 1), (8, 4)))


def batch_of(size=8, seed=0):
  rng = np.random.default_rng(seed)
  return {
    "image": rng.random((size, 8, 8, 1), np.float32),
    "mask": np.ones(size, np.float32),
    "index": np.arange(size, dtype=np.int32),
  }


@pytest.mark.parametrize("make", [dense, conv])
def test_it_maps_images_to_codes_and_back(make):
  task, batch = Autoencoding(make()), batch_of()
  params, stats = jax.jit(task.init)(jax.random.key(0), batch)
  out = jax.jit(task.predict)(params, stats, batch, jax.random.key(1))
  assert out["image"].shape == (8, 8, 8, 1)
  assert out["latent"].shape == (8, 3)
  np.testing.assert_array_equal(out["input"], batch["image"])


def test_parameter_counts():
  sizes = [(64, 8), (8, 3), (3, 8), (8, 64)]
  expected = sum(a * b + b for a, b in sizes)
  assert parameters(dense(), (1, 8, 8, 1)) == expected
  # 16 places of a 4x4 kernel; the map between is 2x2x8.
  expected = (16 * 4 + 4) + (16 * 4 * 8 + 8) + (32 * 3 + 3)
  expected += (3 * 32 + 32) + (16 * 8 * 4 + 4) + (16 * 4 + 1)
  assert parameters(conv(), (1, 8, 8, 1)) == expected


@pytest.mark.parametrize("make", [dense, conv])
def test_gradients_reach_every_parameter(make):
  task, batch = Autoencoding(make()), batch_of()
  params, stats = jax.jit(task.init)(jax.random.key(0), batch)

  def loss(params):
    terms, _ = task.objectives[0].loss(
      params, stats, batch, jax.random.key(0), step=0, train=True
    )
    return terms["mse"].divide()

  for path, grad in jax.tree_util.tree_leaves_with_path(
    jax.jit(jax.grad(loss))(params)
  ):
    assert np.abs(grad).max() > 0, path


def test_the_linear_optimum_spans_the_pca_subspace():
  rng = np.random.default_rng(0)
  scales = np.array([3, 2, 0.7, 0.5, 0.3, 0.2])
  mixing, _ = np.linalg.qr(rng.normal(size=(6, 6)))
  x = (rng.normal(size=(300, 6)) * scales) @ mixing + rng.normal(size=6)
  model = linear_autoencoder((2, 3, 1), 2)
  task = Autoencoding(model)
  batch = {"image": x.reshape(-1, 2, 3, 1).astype(np.float32)}
  batch["mask"] = np.ones(300, np.float32)
  params, stats = jax.jit(task.init)(jax.random.key(0), batch)
  tx = optax.lbfgs()

  def loss(params):
    terms, _ = task.objectives[0].loss(
      params, stats, batch, jax.random.key(0), step=0, train=True
    )
    return terms["mse"].divide()

  def descend(carry, _):
    params, state = carry
    value, grad = optax.value_and_grad_from_state(loss)(params, state=state)
    updates, state = tx.update(
      grad, state, params, value=value, grad=grad, value_fn=loss
    )
    return (optax.apply_updates(params, updates), state), value

  run = jax.jit(lambda c: jax.lax.scan(descend, c, length=200))
  (params, _), _ = run((params, tx.init(params)))
  got = np.asarray(params["model"]["decoder"]["head"]["kernel"]).T
  _, singular, right = np.linalg.svd(x - x.mean(0), full_matrices=False)
  angles = scipy.linalg.subspace_angles(got, right[:2].T)
  assert angles.max() < 1e-2
  # And the error is what PCA leaves.
  left = (singular[2:] ** 2).sum() / x.size
  np.testing.assert_allclose(loss(params), left, rtol=1e-4)


@pytest.mark.parametrize(
  ("corruption", "level"), [("gaussian", 0.5), ("masking", 0.25)]
)
def test_noise_is_an_examples_own_and_of_the_stated_level(corruption, level):
  task = Autoencoding(dense(), corruption, level)
  batch, key = batch_of(64), jax.random.key(0)
  given = np.asarray(task.corrupt(batch, key))
  half = {k: v[32:] for k, v in batch.items()}
  np.testing.assert_array_equal(task.corrupt(half, key), given[32:])
  if corruption == "gaussian":
    np.testing.assert_allclose(np.std(given - batch["image"]), 0.5, rtol=0.03)
  else:
    np.testing.assert_allclose(np.mean(given == 0), 0.25, rtol=0.06)


def test_a_denoising_one_is_scored_against_the_clean_image():
  task = Autoencoding(dense(), "gaussian", 0.5)
  batch, key = batch_of(), jax.random.key(0)
  params, stats = jax.jit(task.init)(key, batch)
  terms, _ = jax.jit(
    functools.partial(task.objectives[0].loss, step=0, train=False)
  )(params, stats, batch, key)
  got = jax.jit(task.predict)(params, stats, batch, key)["image"]
  expected = np.mean((got - batch["image"]) ** 2)
  np.testing.assert_allclose(terms["mse"].divide(), expected, rtol=1e-6)


def test_it_learns_one_batch():
  task, batch = Autoencoding(conv()), batch_of()
  optimizers = {"model": optax.adam(1e-2)}
  state = jax.jit(
    lambda: create_state(task, optimizers, jax.random.key(0), batch)
  )()
  step = jax.jit(make_train_step(task, optimizers))
  losses = []
  for _ in range(60):
    state, logs = step(state, batch)
    losses.append(float(logs["mse"]))
  assert losses[-1] < 0.5 * losses[0]


def test_pixels_outside_the_range_show_in_the_logs():
  task, batch = Autoencoding(dense()), batch_of()
  params, stats = jax.jit(task.init)(jax.random.key(0), batch)
  batch["image"][0] = 255
  terms, _ = jax.jit(
    functools.partial(task.objectives[0].loss, step=0, train=False)
  )(params, stats, batch, jax.random.key(0))
  assert float(terms["outside"].divide()) == 1 / 8


@pytest.mark.parametrize(
  ("make", "message"),
  [
    (lambda: Autoencoding(dense(), "gausian"), "did you mean 'gaussian'"),
    (lambda: Autoencoding(dense(), "masking", 2.0), "expected >= 0"),
    (lambda: Autoencoding(dense(), "gaussian", -1.0), "expected >= 0"),
    (lambda: LatentNeighbours(0), "expected at least 1"),
    (
      lambda: jax.eval_shape(
        ConvEncoder(3, (4, 4)).init, jax.random.key(0), jnp.zeros((1, 6, 8, 1))
      ),
      "6 x 8 and 2 widths.*divisible by 4",
    ),
  ],
)
def test_wrong_options_are_errors(make, message):
  with pytest.raises(ValueError, match=message):
    make()


@pytest.mark.parametrize("k", [1, 3, 5])
def test_knn_accuracy_is_scikit_learns_leaving_one_out(k):
  from sklearn.model_selection import LeaveOneOut, cross_val_score
  from sklearn.neighbors import KNeighborsClassifier

  rng = np.random.default_rng(k)
  label = rng.integers(0, 3, 60).astype(np.int32)
  latent = rng.normal(size=(60, 4)) + label[:, None]
  expected = cross_val_score(
    KNeighborsClassifier(k), latent, label, cv=LeaveOneOut()
  ).mean()
  metric, rows = LatentNeighbours(k), {"latent": latent, "label": label}
  assert metric.result({}, rows)["knn_accuracy"] == expected
  few = {name: x[:k] for name, x in rows.items()}
  with pytest.raises(ValueError, match=f"expected at least {k + 1}"):
    metric.result({}, few)
