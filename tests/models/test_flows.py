"""Normalizing flows: inverses and log-determinants, by autodiff."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vision_jax.models.count import parameters
from vision_jax.models.generation.coupling import (
  Coupling,
  ResidualNet,
  ThreeConvs,
  checkerboard,
)
from vision_jax.models.generation.flow_layers import ActNorm, Prior, Squeeze
from vision_jax.models.generation.glow import Glow, Step
from vision_jax.models.generation.invertible_conv import InvertibleConv
from vision_jax.models.generation.realnvp import RealNVP

NET = functools.partial(ThreeConvs, width=3)
RESIDUAL = functools.partial(ResidualNet, width=3, blocks=1)
LAYERS = {
  "norm": ActNorm(),
  "mix": InvertibleConv(),
  "squeeze": Squeeze(),
  "channels": Coupling(NET),
  "channels flipped": Coupling(NET, flip=True),
  "checkerboard": Coupling(RESIDUAL, "checkerboard", scale="tanh"),
  "checkerboard flipped": Coupling(RESIDUAL, "checkerboard", True, "tanh"),
  "step": Step(3, jnp.float32),
}
FLOWS = {
  "glow": Glow(2, depth=2, width=3),
  "realnvp": RealNVP(2, width=3, blocks=1),
}
X = np.random.default_rng(0).normal(size=(2, 4, 4, 2)).astype(np.float32)


def moved(module, *x, seed=1):
  """Variables of a module, of which none is as it began."""
  variables = dict(module.init(jax.random.key(0), *x))
  rng = np.random.default_rng(seed)
  noise = lambda a: a + 0.2 * rng.normal(size=a.shape).astype(np.float32)
  for name in variables.keys() - {"rotation"}:
    variables[name] = jax.tree.map(noise, variables[name])
  return variables


def assert_volume(function, x, log_det, inverse, rtol=1e-4):
  """Asserts the log-determinant of each example, and the inverse's."""
  y, got = function(x), log_det(x)
  for i in range(len(x)):
    one = lambda v: function(v.reshape(1, *x.shape[1:])).reshape(-1)
    jacobian = jax.jacfwd(one)(x[i].reshape(-1))
    want = np.linalg.slogdet(np.asarray(jacobian, np.float64))[1]
    np.testing.assert_allclose(got[i], want, rtol=rtol, atol=1e-4)
  again, back = inverse(y)
  np.testing.assert_allclose(again, x, atol=rtol)
  np.testing.assert_allclose(back, -np.asarray(got), rtol=rtol, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_is_undone_and_knows_its_volume(name):
  layer = LAYERS[name]
  run = jax.jit(functools.partial(layer.apply, moved(layer, X)))
  undo = functools.partial(layer.apply, moved(layer, X), inverse=True)
  assert_volume(lambda x: run(x)[0], X, lambda x: run(x)[1], jax.jit(undo))
  if name not in ("squeeze",):
    assert np.abs(run(X)[1]).max() > 1e-2


@pytest.mark.slow
def test_a_prior_is_undone_and_knows_its_volume():
  kept = X[::-1].copy()
  prior = Prior()
  variables = moved(prior, X, kept)
  run = lambda x, **how: prior.apply(variables, x, kept, **how)
  y, log_det = run(X)
  again, back = run(y, inverse=True)
  np.testing.assert_allclose(again, X, atol=1e-5)
  np.testing.assert_allclose(back, -log_det, rtol=1e-5)
  flat = lambda x: run(x.reshape(X.shape))[0].reshape(-1)
  want = np.linalg.slogdet(jax.jacfwd(flat)(X.reshape(-1)))[1]
  np.testing.assert_allclose(log_det.sum(), want, rtol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", FLOWS)
def test_a_flow_is_undone_and_knows_its_volume(name):
  model = FLOWS[name]
  variables = moved(model, X)
  run = jax.jit(functools.partial(model.apply, variables))
  draw = jax.jit(lambda z: model.apply(variables, z, X.shape[1:]))
  assert_volume(lambda x: run(x)[0], X, lambda x: run(x)[1], draw, rtol=1e-3)
  decoded = model.apply(variables, run(X)[0], (4, 4, 2), method="decode")
  np.testing.assert_allclose(decoded, X, atol=1e-3)


@pytest.mark.slow
def test_the_first_batch_normalises_and_no_other():
  mask = np.ones(8, np.float32)
  mask[5:] = 0
  rng = np.random.default_rng(1)
  x = rng.normal(3, [1, 5], (8, 4, 4, 2)).astype(np.float32)
  x[5:] *= 100
  norm = ActNorm()
  variables = norm.init(jax.random.key(0), x)
  (same, log_det), _ = norm.apply(variables, x, mutable=["first_batch"])
  np.testing.assert_array_equal(same, x)
  assert not log_det.any()
  train = functools.partial(norm.apply, train=True, mutable=["first_batch"])
  nothing = train(variables, x, mask=0 * mask)[1]["first_batch"]
  assert not nothing["known"] and (nothing["deviation"] == 1).all()
  (y, _), new = train(variables, x, mask=mask)
  seen = x[:5]
  own = new["first_batch"]
  np.testing.assert_allclose(own["mean"], seen.mean((0, 1, 2)), rtol=1e-5)
  np.testing.assert_allclose(own["deviation"], seen.std((0, 1, 2)), rtol=1e-5)
  np.testing.assert_allclose(y[:5].mean((0, 1, 2)), 0, atol=1e-5)
  np.testing.assert_allclose(y[:5].std((0, 1, 2)), 1, rtol=1e-5)
  _, later = train({**variables, **new}, 7 * x, mask=mask)
  jax.tree.map(np.testing.assert_array_equal, later, new)


@pytest.mark.slow
def test_a_mix_begins_as_a_rotation():
  mix = InvertibleConv()
  x = np.eye(6, dtype=np.float32).reshape(6, 1, 1, 6)
  y, log_det = mix.init_with_output(jax.random.key(0), x)[0]
  y = y.reshape(6, 6)
  np.testing.assert_allclose(y @ y.T, np.eye(6), atol=1e-5)
  np.testing.assert_allclose(log_det, 0, atol=1e-5)
  assert np.abs(y - np.eye(6)).max() > 0.1


def test_squares_become_channels():
  x = np.arange(16, dtype=np.float32).reshape(1, 4, 4, 1)
  y, _ = Squeeze().apply({}, x)
  assert y[0, 0, 0].tolist() == [0, 1, 4, 5]
  assert y[0, 1, 0].tolist() == [8, 9, 12, 13]


def test_a_checkerboard():
  got = checkerboard(2, 3)[..., 0]
  assert got.tolist() == [[1, 0, 1], [0, 1, 0]]
  assert (checkerboard(2, 3, flip=True)[..., 0] == 1 - got).all()


def test_glow_has_the_papers_layers():
  depth, width, expected = 2, 8, 0
  for c in (4, 8):  # channels of a level, after its squeeze
    net = 9 * c // 2 * width + width * width + 9 * width * c
    norms = 2 * c + 2 * 2 * width  # of the step and within the net
    expected += depth * (net + norms + 2 * c + 2 * c * c + c)
  expected += 9 * 2 * 4 + 2 * 4  # the prior of 2 channels by 2
  model = Glow(2, depth=depth, width=width)
  assert parameters(model, (1, 28, 28, 1)) == expected


def shapes(model, side, channels=1):
  x = jax.ShapeDtypeStruct((2, side, side, channels), jnp.float32)
  return jax.eval_shape(model.init, jax.random.key(0), x)


@pytest.mark.parametrize("name", FLOWS)
def test_a_z_has_as_many_values(name):
  model = FLOWS[name]
  x = jax.ShapeDtypeStruct((2, 8, 8, 1), jnp.float32)
  apply = lambda x: model.init_with_output(jax.random.key(0), x)[0]
  z, log_det = jax.eval_shape(apply, x)
  assert (z.shape, log_det.shape) == ((2, 64), (2,))


@pytest.mark.parametrize(
  ("model", "side", "message"),
  [
    (FLOWS["glow"], 6, "3 x 3 and 1"),
    (FLOWS["realnvp"], 7, "7 x 7 and 1"),
    (Glow(0), 8, "levels: got 0; expected at least 1"),
  ],
)
def test_bad_sides(model, side, message):
  with pytest.raises(ValueError, match=message):
    shapes(model, side)


@pytest.mark.parametrize("field", ["pattern", "scale"])
def test_bad_names(field):
  with pytest.raises(ValueError, match=f"{field}.*'stripes'"):
    shapes(Coupling(NET, **{field: "stripes"}), 4, 2)
