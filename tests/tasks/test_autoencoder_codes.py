"""Codes of autoencoders: contraction, sparsity, tied kernels, their normal."""

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
from tests.oracles import library
from vision_jax.core.types import Generative
from vision_jax.losses.autoencoding import square_jacobian
from vision_jax.metrics.generation_extractor import Extractor
from vision_jax.models.count import parameters
from vision_jax.models.generation.autoencoder import linear_autoencoder
from vision_jax.models.generation.tied_autoencoder import (
  TiedAutoencoder,
  k_sparse,
)
from vision_jax.ops.inputs import normalize
from vision_jax.pipelines.colours import UNIT
from vision_jax.recipe import recipe
from vision_jax.tasks.autoencoder import Autoencoding

SHAPE = (2, 3, 1)
RNG = np.random.default_rng(0)
KEY = jax.random.key(0)


def tied(features=4, hidden=(5,), **fields):
  return TiedAutoencoder(SHAPE, features, hidden, **fields)


def batch_of(size=6):
  return {
    "image": RNG.random((size, *SHAPE), np.float32),
    "mask": np.ones(size, np.float32),
    "index": np.arange(size, dtype=np.int32),
  }


def drawn(model):
  """Parameters of a model, all of them random."""
  image = jnp.zeros((1, *SHAPE))
  shapes = jax.eval_shape(model.init, KEY, image)["params"]
  draw = lambda x: RNG.normal(size=x.shape).astype(np.float32)
  return jax.tree.map(draw, shapes)


def sigmoid(x):
  return 1 / (1 + np.exp(-x))


def test_the_contraction_is_autodiffs_jacobian():
  model, image = tied(code="sigmoid", sparsity=2), batch_of()["image"]
  params = drawn(model)
  encode = lambda x: model.apply({"params": params}, x, method="encode")
  one = lambda x: encode(x[None])[0]

  def both(image):
    return square_jacobian(encode, image), jax.vmap(jax.jacobian(one))(image)

  got, jacobian = jax.jit(both)(image)
  assert jacobian.shape == (6, 4, *SHAPE)
  np.testing.assert_allclose(got, (jacobian**2).sum((1, 2, 3, 4)), rtol=1e-4)
  # Rows of what does not stay are 0.
  assert (np.abs(jacobian).max((2, 3, 4)) > 0).sum(1).tolist() == [2] * 6


def test_of_one_layer_the_contraction_is_the_papers_formula():
  model, image = tied(hidden=(), code="sigmoid"), batch_of()["image"]
  params = drawn(model)
  encode = lambda x: model.apply({"params": params}, x, method="encode")
  kernel = np.asarray(params["kernel1"])
  code = sigmoid(image.reshape(6, -1) @ kernel + params["down1"])
  expected = ((code * (1 - code)) ** 2) @ (kernel**2).sum(0)
  got = jax.jit(functools.partial(square_jacobian, encode))(image)
  np.testing.assert_allclose(got, expected, rtol=1e-4)


def test_a_tied_one_goes_back_by_the_same_kernels():
  model, image = tied(), batch_of()["image"]
  assert parameters(model, (1, *SHAPE)) == 6 * 5 + 5 * 4 + 5 + 4 + 6 + 5
  p = drawn(model)
  relu = lambda x: np.maximum(x, 0)
  code = relu(image.reshape(6, -1) @ p["kernel1"] + p["down1"])
  code = code @ p["kernel2"] + p["down2"]
  again = relu(code @ p["kernel2"].T + p["up2"]) @ p["kernel1"].T + p["up1"]
  got = jax.jit(model.apply)({"params": p}, image)
  np.testing.assert_allclose(got, again.reshape(6, *SHAPE), rtol=1e-4)


def test_the_largest_numbers_of_a_code_stay():
  z = RNG.normal(size=(7, 9)).astype(np.float32)
  z[0] = 0.5  # of equal ones as many stay
  least = np.sort(z, 1)[:, -3][:, None]

  def total(x):
    kept = k_sparse(x, 3)
    return jnp.sum(kept), kept

  slope, got = jax.jit(jax.grad(total, has_aux=True))(z)
  np.testing.assert_array_equal(got[1:], np.where(z >= least, z, 0)[1:])
  assert (got != 0).sum(1).tolist() == [3] * 7
  np.testing.assert_array_equal(slope, got != 0)


def test_moments_are_of_all_codes_that_count_and_later_of_some():
  task, batch = Autoencoding(tied(hidden=()), decay=0.75), batch_of()
  batch["mask"][4:] = 0
  batch["image"][5] = np.nan
  params = {"model": drawn(task.model)}
  ones = {"mean": np.ones(4), "square": np.ones((4, 4))}
  stats = {"model": {"codes": jax.tree.map(np.float32, ones)}}
  loss = functools.partial(task.objectives[0].loss, train=True)

  @jax.jit
  def after(step):
    _, new = loss(params, stats, batch, KEY, step=step)
    return {k: x.divide() for k, x in new["model"]["codes"].items()}

  pixels = batch["image"][:4].reshape(4, -1)
  code = pixels @ params["model"]["kernel1"] + params["model"]["down1"]
  expected = {"mean": code.mean(0), "square": code.T @ code / 4}
  for step, kept in ((0, 0), (1, 0.5), (9, 0.75)):
    got = after(step)
    for name, value in expected.items():
      want = kept + (1 - kept) * value
      np.testing.assert_allclose(got[name], want, rtol=1e-4, atol=1e-5)


def test_samples_are_of_the_normal_that_fits_the_codes():
  """Of a decoder that is an affine map; what is outside the range is cut."""
  task = Autoencoding(linear_autoencoder(SHAPE, 2))
  assert isinstance(task, Generative) and not task.condition.asks
  mean, factor = np.array([0.5, 0.6]), np.array([[0.04, 0.0], [0.06, 0.02]])
  covariance = factor @ factor.T
  square = covariance + np.outer(mean, mean)
  known = {"mean": mean, "square": square}
  stats = {"model": {"codes": jax.tree.map(np.float32, known)}}
  head = {"kernel": np.eye(2, 6, dtype=np.float32), "bias": np.zeros(6)}
  params = {"model": {"decoder": {"head": head}}}
  index = np.arange(4000, dtype=np.int32)
  draw = jax.jit(lambda at: task.sample(params, stats, {"index": at}, KEY))
  image = np.asarray(draw(index)["image"]).reshape(-1, 6)
  np.testing.assert_allclose(image[:, :2].mean(0), mean, atol=0.003)
  np.testing.assert_allclose(np.cov(image[:, :2].T), covariance, rtol=0.08)
  assert not image[:, 2:].any()
  again = np.asarray(draw(index[::-1])["image"]).reshape(-1, 6)
  np.testing.assert_array_equal(again, image[::-1])


@pytest.mark.parametrize(
  ("make", "message"),
  [
    (lambda: Autoencoding(tied(), contraction=-1.0), "contraction: got -1.0"),
    (lambda: Autoencoding(tied(), decay=1.0), "decay: got 1.0; expected 0 or"),
    (lambda: drawn(tied(sparsity=5)), "sparsity: got 5; expected at most 4"),
    (lambda: drawn(tied(code="tanh")), "Expected one of linear, sigmoid"),
  ],
)
def test_wrong_options_are_errors(make, message):
  with pytest.raises(ValueError, match=message):
    make()


@pytest.mark.parametrize("name", ["gan", "conditional_vae"])
@pytest.mark.parametrize("conditional", [False, True])
def test_a_key_gives_the_nets_the_class(name, conditional):
  path = f"configs/generation/mnist_{name}.py:tiny"
  experiment = recipe.load(path, {"conditional": str(conditional)}).build()
  assert experiment.task.num_classes == 10 * conditional
  (measured,) = (x for x in experiment.evals.values() if "quality" in x.metrics)
  assert ("recognised" in measured.metrics) == conditional


def test_an_extractor_looks_at_images_of_another_range():
  look = lambda weights, image: {"features": image * weights}
  signed = Extractor("plain", look, lambda: (3.0, np.zeros(1)), (-1.0, 1.0))
  unit, image = signed.of_unit(), batch_of()["image"]
  assert unit.value_range == (0, 1) and unit.state["weights"] == 3
  expected = signed.apply(3.0, 2 * image - 1)["features"]
  got = unit.apply(3.0, image)["features"]
  np.testing.assert_allclose(got, expected, atol=1e-6)


@pytest.mark.slow
def test_a_contractive_one_descends_what_torch_computes():
  torch = library("torch")
  model, batch = tied(code="sigmoid"), batch_of()
  task = Autoencoding(model, contraction=0.3)
  params = drawn(model)
  own = {k: torch.tensor(x, requires_grad=True) for k, x in params.items()}

  def encode(x):
    x = torch.relu(x @ own["kernel1"] + own["down1"])
    return torch.sigmoid(x @ own["kernel2"] + own["down2"])

  total = 0
  for image in torch.tensor(batch["image"]).reshape(6, 6):
    x = torch.relu(encode(image) @ own["kernel2"].T + own["up2"])
    error = ((x @ own["kernel1"].T + own["up1"] - image) ** 2).mean()
    jacobian = torch.autograd.functional.jacobian(
      encode, image, create_graph=True
    )
    total = total + (error + 0.3 * (jacobian**2).sum()) / 6
  total.backward()

  def loss(params):
    terms, _ = task.objectives[0].loss(
      {"model": params}, {"model": {}}, batch, KEY, step=0, train=False
    )
    weights = task.objectives[0].weights
    return sum(w * terms[k].divide() for k, w in weights.items())

  value, grads = jax.jit(jax.value_and_grad(loss))(params)
  np.testing.assert_allclose(value, total.detach(), rtol=1e-5)
  for name, grad in grads.items():
    expected = own[name].grad.numpy()
    np.testing.assert_allclose(grad, expected, rtol=1e-3, atol=1e-5)


def of_digits():
  model = TiedAutoencoder((8, 8, 1), 6, (8,), code="sigmoid", sparsity=4)
  task = Autoencoding(model, "masking", 0.2, contraction=0.01, decay=0.5)
  return digits(task, inputs=normalize(*UNIT), augment=None)


@pytest.mark.slow
def test_it_is_the_same_everywhere():
  assert_equal_everywhere(of_digits)


@pytest.mark.slow
def test_it_resumes(tmp_path):
  assert_resumes(of_digits, tmp_path)
