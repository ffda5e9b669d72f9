"""MeanFlow: the identity of averages, what the task learns, and one step.

Of normal data N(m, s²) the flow is known: it takes x_t to the z of
x_t = (1 - t) m + k_t z, k_t² = (1 - t)² s² + t², and so its averages are.
"""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate

from tests.experiments.everywhere import (
  assert_equal_everywhere,
  assert_resumes,
  digits,
)
from tests.tables import labelled_images
from vision_jax.errors import UserError
from vision_jax.layers.dense import Dense
from vision_jax.layers.time_embedding import (
  GLOROT,
  TimeEmbedding,
  sinusoids,
)
from vision_jax.models.generation.ddpm_unet import DDPMUNet
from vision_jax.models.generation.dit import DiT
from vision_jax.ops import diffusion
from vision_jax.ops.diffusion.averages import derivative, rate
from vision_jax.ops.diffusion.samplers import solver_table
from vision_jax.ops.inputs import normalize
from vision_jax.pipelines.colours import SIGNED
from vision_jax.recipe import recipe
from vision_jax.tasks.flow_matching import FlowMatching
from vision_jax.tasks.mean_flow import MeanFlow

MEAN, DEVIATION = 0.1, 0.2
KEY = jax.random.key(5)
NONE = ({"model": {}}, {"model": {}})


class Answer(nn.Module):
  """A net that returns what it is made of, times a parameter if it has one."""

  out: object = None
  num_classes: int = 4
  times: int = 2

  def apply(self, variables, x, t, condition, *, train, mutable=(), **options):
    scale = variables["params"].get("scale", 1.0)
    out = scale * self.out(x, t, condition)
    return (out, {}) if train else out


def answering(out=None, **options):
  net = Answer(out, options.pop("num_classes", 4), options.pop("times", 2))
  return MeanFlow(net, **options)


def small(**options):
  net = DDPMUNet(
    num_classes=10,
    width=8,
    multipliers=(1,),
    blocks=1,
    attention=(),
    groups=4,
    dropout=0.1,
    times=2,
  )
  return MeanFlow(net, **options)


def batch_of(size=4, seed=0):
  batch = labelled_images(size, seed)
  return batch | {"image": np.tanh(batch["image"])}


def width(t):
  """k of a time."""
  return ((1 - t) ** 2 * DEVIATION**2 + t**2) ** 0.5


def velocity(x, t):
  """Of all data that are at x, on average."""
  slope = (t - (1 - t) * DEVIATION**2) / width(t) ** 2
  return -MEAN + slope * (x - (1 - t) * MEAN)


def average(x, t, r):
  """Of the velocity on the way from t back to r < t."""
  z = (x - (1 - t) * MEAN) / width(t)
  return (x - (1 - r) * MEAN - width(r) * z) / (t - r)


def test_an_exact_average_keeps_the_identity():
  """u = v - (t - r) du/dt; and it is what an integrator finds."""
  rng = np.random.default_rng(0)
  t, r = np.array([[1.0, 0.8, 0.5, 0.95], [0.0, 0.1, 0.3, 0.7]], np.float32)
  x = rng.normal(size=(4, 3)).astype(np.float32)
  column = lambda t: t.reshape(-1, 1)
  u = lambda x, times: average(x, *map(column, times.T))
  times, v = np.stack([t, r], -1), velocity(x, column(t))
  du_dt = jax.jit(functools.partial(rate, u))(x, times, v)
  assert np.abs(du_dt).min() > 1e-3
  np.testing.assert_allclose(u(x, times), v - column(t - r) * du_dt, atol=1e-4)
  for i in range(4):
    way = scipy.integrate.solve_ivp(
      lambda t, x: velocity(x, t), (t[i], r[i]), x[i], rtol=1e-8, atol=1e-8
    )
    found = (x[i] - way.y[:, -1]) / (t[i] - r[i])
    np.testing.assert_allclose(u(x, times)[i], found, atol=1e-4)


def knows(x, t, condition):
  """The exact net: of the time alone, or no way back, the velocity."""
  spread = lambda t: t.reshape(-1, *[1] * (x.ndim - 1))
  if t.ndim == 1:
    return velocity(x, spread(t))
  return average(x, spread(t[:, 0]), spread(t[:, 0] - t[:, 1]))


def test_one_step_lands_where_the_flow_does():
  """And four steps; an integrator of its velocities comes there too."""
  task, batch = answering(knows), batch_of()
  draw = lambda **how: task.sample(*NONE, batch, KEY, **how)["image"]
  ways = {}, {"steps": 4}, {"solver": "heun", "steps": 40}
  once, four, slowly = jax.jit(lambda: [draw(**way) for way in ways])()
  assert 0.15 < np.std(once) < 0.25
  np.testing.assert_allclose(four, once, atol=1e-5)
  np.testing.assert_allclose(slowly, once, atol=5e-3)


@pytest.mark.parametrize("steps", [1, 2, 4])
def test_a_step_goes_back_by_its_average(steps):
  table = solver_table(diffusion.path("rectified"), "mean_flow", steps)
  t, r = table.t.T
  np.testing.assert_allclose(t, np.linspace(1, 0, steps + 1)[:-1], rtol=1e-6)
  np.testing.assert_array_equal(np.append(t[1:], 0), r)
  x, u = 0.7, -0.2
  got = table.keep * x + table.now * (x - t * u)
  np.testing.assert_allclose(got, x - (t - r) * u, rtol=1e-5)


def smooth(x, t, condition):
  """A net of tanh, that numpy and jax compute."""
  xp, spread = x.__array_namespace__(), lambda a: a.reshape(-1, 1, 1, 1)
  now, span = map(spread, t.T if t.ndim == 2 else (t, 0 * t))
  label = spread(condition)
  return xp.tanh(0.8 * x - now + 0.5 * span * x + 0.1 * label)


@functools.partial(jax.jit, static_argnums=0, static_argnames="train")
def learned(task, batch, scale=1.0, *, train=False):
  """The terms of the loss, and what is drawn for it."""
  params = {"model": {"scale": scale}}
  terms, _ = task.objectives[0].loss(
    params, {"model": {}}, batch, KEY, step=0, train=train
  )
  terms = {name: mean.divide() for name, mean in terms.items()}
  return terms, (task.noised(batch, KEY), task.times(batch, KEY))


def stated(task, batch, drawn):
  """What the net says and what it should, by differences in float64."""
  wide = lambda x: np.asarray(x, np.float64)
  (x, _, eps), times = jax.tree.map(wide, drawn)
  t, r = times.T
  label, step, weight = wide(batch["label"]), 1e-4, task.target_guidance
  u = lambda x, t: smooth(x, np.stack([t, t - r], -1), label)
  free = smooth(x, np.stack([t, 0 * t], -1), np.full(len(t), 4.0))
  v = weight * (eps - wide(batch["image"])) + (1 - weight) * free
  ahead, behind = (u(x + d * v, t + d) for d in (step, -step))
  slope = (ahead - behind) / (2 * step)
  return u(x, t), v - (t - r).reshape(-1, 1, 1, 1) * slope


@pytest.mark.parametrize(
  "guidance", [1.0, pytest.param(3.0, marks=pytest.mark.slow)]
)
def test_the_loss_is_that_of_differences(guidance):
  task = answering(smooth, instant=0.25, target_guidance=guidance)
  batch = batch_of(16)
  got, drawn = jax.device_get(learned(task, batch))
  t, r = drawn[1].T
  assert (t >= r).all() and 0 < (t == r).sum() < 10
  u, target = stated(task, batch, drawn)
  error = ((u - target) ** 2).mean((1, 2, 3))
  weighted = (error / (error + 1e-3)).mean()
  assert got["matching"] == pytest.approx(error.mean(), rel=1e-4)
  assert got["mean_flow"] == pytest.approx(weighted, rel=1e-5)
  assert got["outside"] == 0


@pytest.mark.slow
def test_over_no_time_it_is_flow_matching():
  """The same errors, of the same noise, where all averages are velocities."""
  batch = batch_of()
  task = answering(smooth, instant=1.0, power=0.0)
  terms, (drawn, times) = learned(task, batch, train=True)
  np.testing.assert_array_equal(times[:, 0], times[:, 1])

  class Same(FlowMatching):
    def noised(self, batch, key):
      return drawn

  net = Answer(lambda x, t, condition: smooth(x, t / 1000, condition))
  flow = Same(net, diffusion.path("rectified"))
  wanted, _ = flow.objectives[0].loss(*NONE, batch, KEY, step=0, train=True)
  wanted = float(wanted["matching"].divide())
  assert float(terms["mean_flow"]) == pytest.approx(wanted, rel=1e-5)


@pytest.mark.slow
def test_times_are_pairs_of_the_density():
  task, batch = small(instant=0.5), {"index": np.arange(4000, dtype=np.int32)}
  t, r = np.asarray(jax.jit(task.times)(batch, KEY), np.float64).T
  apart = t > r
  assert abs(apart.mean() - 0.5) < 0.03 and (t >= r).all()
  logits = np.log(np.concatenate([t[apart], r[apart]]))
  logits -= np.log1p(-np.concatenate([t[apart], r[apart]]))
  assert abs(logits.mean() + 0.4) < 0.05 and abs(logits.std() - 1) < 0.05
  assert abs(np.corrcoef(t[apart], r[apart])[0, 1]) < 0.6


@pytest.mark.slow
def test_the_gradient_is_of_the_average_alone():
  """The derivative, the guide and so the target are constants."""
  options = {"instant": 0.0, "power": 0.0, "target_guidance": 2.0}
  task, batch = answering(smooth, **options), batch_of()

  def loss(scale):
    terms, drawn = learned(task, batch, scale)
    return terms["mean_flow"], drawn

  got, drawn = jax.grad(loss, has_aux=True)(1.0)
  u, target = stated(task, batch, drawn)
  wanted = (2 * (u - target) * u).mean()
  assert float(got) == pytest.approx(wanted, rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
  "net",
  [
    DDPMUNet(4, 8, (1,), 1, attention=(8,), groups=4, times=2),
    DDPMUNet(4, 8, (1,), 1, (), groups=4, times=2, remat="blocks"),
    DiT(4, 4, 16, 1, 2, times=2),
  ],
)
def test_nets_that_say_their_backward_pass_have_the_derivative(net):
  rng = np.random.default_rng(0)
  draw = lambda x: jnp.asarray(rng.normal(size=x.shape) * 0.3, x.dtype)
  x, v = rng.normal(size=(2, 2, 8, 8, 3)).astype(np.float32)
  times = jnp.asarray([[0.9, 0.2], [0.5, 0.4]])
  begin = lambda: net.init(KEY, x, times, train=False)
  variables = jax.tree.map(draw, jax.eval_shape(begin))
  u = jax.jit(lambda x, times: net.apply(variables, x, times, train=False))
  got = jax.jit(functools.partial(rate, u))(x, times, v)
  step = 1e-2
  at = lambda d: u(x + d * v, times + d * np.array([1, 0]))
  ahead, behind = at(step), at(-step)
  wanted = (ahead - behind) / (2 * step)
  assert np.abs(wanted).max() > 0.1
  np.testing.assert_allclose(got, wanted, atol=2e-2 * np.abs(wanted).max())


@pytest.mark.slow
def test_a_derivative_is_that_of_forward_mode():
  fn = lambda x, t: jnp.sin(x) * t[:, :1] ** 2 + t[:, 1:]
  inputs = jnp.ones((2, 3)), jnp.array([[0.5, 0.2], [1.0, 0.0]])
  directions = jnp.full((2, 3), 2.0), jnp.array([[1.0, 0.0], [1.0, 3.0]])
  wanted = jax.jvp(fn, inputs, directions)[1]
  got = derivative(fn, inputs, directions)
  np.testing.assert_allclose(got, wanted, rtol=1e-6)


class Plain(nn.Module):
  """A time's embedding by its words."""

  @nn.compact
  def __call__(self, t):
    dense = lambda name: Dense(4, kernel_init=GLOROT, name=name)
    hidden = dense("dense1")(sinusoids(t, 8))
    return dense("dense2")(jax.nn.silu(hidden))


@pytest.mark.slow
def test_one_time_is_embedded_by_itself():
  """A second one has rows of its own, and is 0 where it is not given."""
  t = jnp.array([0.3, 0.9])
  one, two = TimeEmbedding(8, 4), TimeEmbedding(8, 4, times=2)
  (out, alone), pair = one.init_with_output(KEY, t), two.init(KEY, t)
  plain = Plain().init_with_output(KEY, t)
  jax.tree.map(np.testing.assert_array_equal, (out, alone), plain)
  assert pair["params"]["dense1"]["kernel"].shape == (16, 4)
  both = jnp.stack([t, jnp.zeros(2)], -1)
  np.testing.assert_array_equal(two.apply(pair, t), two.apply(pair, both))
  with pytest.raises(UserError, match=r"shape \(2, 2\), 2 times; .* most 1"):
    one.apply(alone, both)


@pytest.mark.parametrize(
  "guidance", [1.0, pytest.param(2.0, marks=pytest.mark.slow)]
)
def test_sampling_is_one_loop_of_one_program(guidance):
  task, batch = small(), batch_of()
  params, stats = jax.eval_shape(task.init, KEY, batch)
  draw = functools.partial(task.sample, steps=4, guidance=guidance)
  jaxpr = jax.make_jaxpr(lambda params: draw(params, stats, batch, KEY))(params)
  loops = [e for e in jaxpr.eqns if e.primitive.name in ("scan", "while")]
  assert [e.params["length"] for e in loops] == [4]
  assert "callback" not in str(jaxpr)


@pytest.mark.parametrize(
  ("make", "message"),
  [
    (lambda: answering(times=1), "Answer of times=1; expected times=2"),
    (lambda: answering(instant=1.5), r"instant: got 1.5; expected \[0, 1\]"),
    (lambda: answering(power=-1.0), "power: got -1.0; expected 0 or more"),
    (
      lambda: answering(target_guidance=2.0, num_classes=0),
      "guidance: got 2.0 with an unconditional model",
    ),
    (
      lambda: answering(target_guidance=2.0, drop_label=0.0),
      "trained with drop_label=0",
    ),
    (
      lambda: answering(knows).sample(*NONE, batch_of(), KEY, steps=0),
      "steps: got 0 sampling steps; expected at least 1",
    ),
    (
      lambda: answering(knows).sample(*NONE, batch_of(), KEY, solver="mean"),
      "did you mean 'mean_flow'",
    ),
    (
      lambda: FlowMatching(Answer(knows), diffusion.path("rectified")).sample(
        *NONE, batch_of(), KEY, solver="mean_flow"
      ),
      "solver: got 'mean_flow'",
    ),
  ],
)
def test_what_cannot_be_is_refused(make, message):
  with pytest.raises(UserError, match=message):
    make()


def test_few_steps_are_measured_beside_one():
  path = "configs/generation/mnist_mean_flow.py:tiny"
  with recipe.load(path, {"other_steps": "(2, 4)"}).build() as experiment:
    assert set(experiment.evals) == {"test", "test_2_steps", "test_4_steps"}
    assert experiment.evals["test_4_steps"].output.keywords["steps"] == 4


def of_digits():
  # A step of which compiles in a part of the time that a U-Net's does.
  net = DiT(10, 4, 16, 1, 2, times=2)
  task = MeanFlow(net, instant=0.5, target_guidance=2.0)
  return digits(task, inputs=normalize(*SIGNED), augment=None)


@pytest.mark.slow
def test_it_is_the_same_everywhere():
  assert_equal_everywhere(of_digits, rounding=1e-4)


@pytest.mark.slow
def test_it_resumes(tmp_path):
  assert_resumes(of_digits, tmp_path)
