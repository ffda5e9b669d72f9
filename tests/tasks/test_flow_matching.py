"""The flow matching task: what it learns, and how it samples."""

import functools
import json
import types

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from tests.tables import labelled_images, small_flow_matching
from vision_jax.core.execution import Jit
from vision_jax.core.state import create_state
from vision_jax.core.step import make_train_step
from vision_jax.inference.sample import read_options, sample_folder
from vision_jax.models.generation.ddpm_unet import DDPMUNet
from vision_jax.ops import diffusion
from vision_jax.ops.diffusion.conversions import CONVERTED, prediction
from vision_jax.recipe import recipe
from vision_jax.recipe.resume import check_same
from vision_jax.tasks.flow_matching import FlowMatching

# As every path has them but EDM's, and on it EDM's own.
CASES = [
  *(("variance_preserving", kind) for kind in CONVERTED),
  ("rectified", "velocity"),
  ("circular", "v"),
  ("edm", "edm"),
]


class Answer(nn.Module):
  """A net that returns what it is made of, and notes what it is given."""

  out: object = None
  num_classes: int = 4

  def apply(self, variables, x, t, condition, *, train, **options):
    return self.out(x, t, condition)


def batch_of(size=4, seed=0):
  batch = labelled_images(size, seed)
  return batch | {"image": np.tanh(batch["image"])}


def answering(out, path="rectified", kind="velocity", **options):
  net = Answer(out, options.pop("num_classes", 4))
  return FlowMatching(net, diffusion.path(path), kind, **options)


NONE = ({"model": {}}, {"model": {}})


@pytest.mark.parametrize(("path", "kind"), CASES)
def test_the_loss_of_the_answer_is_zero(path, kind):
  """And the image that is read off it is the image."""
  batch, key = batch_of(), jax.random.key(5)
  task = answering(None, path, kind)
  _, t, eps = task.noised(batch, key)
  levels = task.path.levels(t)
  wanted = prediction(kind, batch["image"], eps, levels)
  knows = answering(lambda *_: wanted, path, kind)
  terms, _ = knows.objectives[0].loss(*NONE, batch, key, step=0, train=False)
  scale = float(jnp.mean(wanted**2))
  assert float(terms["matching"].divide()) < 1e-9 * max(scale, 1)
  assert float(terms["outside"].divide()) == 0
  out = knows.predict(*NONE, batch, key)
  error = np.abs(out["image"] - batch["image"]) * levels.alpha
  assert error.max() < 1e-3 and out["t"].shape == (4,)


def test_a_net_sees_images_of_unit_variance_with_edm():
  seen = []
  note = lambda x, t, condition: seen.append((x, t)) or jnp.zeros_like(x)
  density = diffusion.Density("normal", -1.2, 1.2)
  task = answering(note, "edm", "edm", density=density)
  batch = batch_of(256)
  batch["image"] = batch["image"] * 0.5 / np.std(batch["image"])
  task.objectives[0].loss(*NONE, batch, jax.random.key(0), step=0, train=False)
  ((x, t),) = seen
  assert 0.9 < float(jnp.std(x)) < 1.1
  sigma = np.exp(4 * t)  # the net is told ln(sigma) / 4
  assert abs(np.log(sigma).mean() + 1.2) < 0.15


def test_guidance_extrapolates_from_no_class():
  """One evaluation with twice the batch; class 4 is none."""
  calls = []

  def out(x, t, condition):
    calls.append(x.shape)
    value = jnp.where(condition == 4, 1.0, 2.0 + condition)
    return jnp.broadcast_to(value[:, None, None, None], x.shape)

  task = answering(out, clip=False)
  x, t = jnp.ones((4, 8, 8, 3)), jnp.full(4, 0.5)
  label = jnp.arange(4)
  got = task.denoiser(*NONE, label, guidance=2.5)(x, t).x0
  velocity = 1 + 2.5 * (1 + np.arange(4))
  np.testing.assert_allclose(got[:, 0, 0, 0], 1 - 0.5 * velocity, rtol=1e-6)
  assert calls == [(8, 8, 8, 3)]


@pytest.mark.parametrize("solver", diffusion.SOLVERS)
@pytest.mark.parametrize("guidance", [1.0, 2.0])
def test_every_solver_is_one_loop_of_one_program(solver, guidance):
  """Whose body evaluates the net once; nothing goes to the host."""
  task = small_flow_matching()
  params, stats = jax.eval_shape(task.init, jax.random.key(0), batch_of())
  draw = functools.partial(task.sample, solver=solver, guidance=guidance)
  jaxpr = jax.make_jaxpr(
    lambda params, batch: draw(params, stats, batch, jax.random.key(0))
  )(params, batch_of())
  loops = [e for e in jaxpr.eqns if e.primitive.name in ("scan", "while")]
  evaluations = 39 if solver == "heun" else 20
  assert [e.params["length"] for e in loops] == [evaluations]
  assert "callback" not in str(jaxpr)


@pytest.mark.slow
def test_samples_depend_on_index_label_and_key_alone():
  task = small_flow_matching()
  shapes, stats = jax.eval_shape(task.init, jax.random.key(0), batch_of())
  rng = np.random.default_rng(0)  # a net that says something of its condition
  fill = lambda x: jnp.asarray(rng.normal(size=x.shape) * 0.3, x.dtype)
  params = jax.tree.map(fill, shapes)

  def draw(batch, **options):
    sample = functools.partial(task.sample, steps=3, **options)
    out = jax.jit(sample)(params, stats, batch, jax.random.key(0))["image"]
    assert np.isfinite(out).all() and np.abs(out).max() <= 1
    return out

  batch = batch_of()
  whole = draw(batch)
  half = {k: v[2:] for k, v in batch.items()}
  half["image"] = np.zeros_like(half["image"])
  np.testing.assert_allclose(draw(half), whole[2:], atol=1e-3)
  other = batch | {"label": (batch["label"] + 1) % 4}
  assert np.abs(draw(other) - whole).max() > 1e-4
  for solver in diffusion.SOLVERS:
    assert draw(batch, solver=solver).std() > 0.01


def test_flags_of_the_command_are_read():
  words = {"solver": "heun", "steps": "20", "guidance": "2"}
  got = read_options(small_flow_matching(), words)
  assert got == {"solver": "heun", "steps": 20, "guidance": 2.0}


@pytest.mark.parametrize(
  ("options", "message"),
  [
    ({"solver": "huen"}, "solver: got 'huen'; did you mean 'heun'"),
    ({"steps": 0}, "steps: got 0 sampling steps; expected at least 1"),
    ({"spacing": "karas"}, "did you mean 'karras'"),
    ({"sampler": "ddim"}, "--sample.sampler: FlowMatching samples without it; "
     "it takes guidance, solver, spacing, steps"),
    ({"label": 4}, "--label: got 4; expected 0 to 3"),
  ],
)  # fmt: skip
def test_what_cannot_be_sampled_is_refused(tmp_path, options, message):
  task = answering(lambda x, t, condition: x)
  with pytest.raises(ValueError, match=message):
    sample_folder(
      types.SimpleNamespace(task=task),
      NONE,
      Jit(devices=jax.devices()[:1]),
      (4, 8, 8, 3),
      tmp_path / "out",
      **options,
    )
  assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
  ("make", "message"),
  [
    (
      lambda: answering(None, num_classes=0).check_guidance(2.0),
      "guidance: got 2.0 with an unconditional model; expected 1. Train",
    ),
    (
      lambda: answering(None, drop_label=0.0).check_guidance(2.0),
      "trained with drop_label=0",
    ),
    (lambda: answering(None, drop_label=2.0), r"expected \[0, 1\]"),
    (lambda: answering(None, kind="velocty"), "did you mean 'velocity'"),
    (lambda: answering(None, spread=0.0), "spread: got 0.0; expected more"),
    (lambda: answering(None, "edm"), "'velocity' on EDM's path, .* to 80"),
    (
      lambda: answering(None, kind="eps"),
      "'eps' on the path Rectified, at whose end no image",
    ),
  ],
)
def test_wrong_tasks_are_errors(make, message):
  with pytest.raises(ValueError, match=message):
    make()


def test_samples_of_a_run_may_be_drawn_anew():
  """By --mode=eval, with another solver; what was trained stays."""
  config = "configs/generation/mnist_flow_matching.py:tiny"
  first = recipe.load(config)
  saved = {
    "path": first.path,
    "sha256": first.sha256,
    "values": json.loads(json.dumps(first.config.to_dict())),
  }
  values = {"solver": "heun", "sampling_steps": "5", "guidance": "2.0"}
  check_same(recipe.load(config, values | {"spacing": "karras"}), saved)
  with pytest.raises(ValueError, match="density: 'normal' in the workdir"):
    check_same(recipe.load(config, {"density": "uniform"}), saved)


@pytest.mark.slow
def test_it_learns_one_batch():
  model = DDPMUNet(4, 8, (1,), blocks=1, attention=(), groups=4, dropout=0.0)
  task = FlowMatching(model, diffusion.path("rectified"))
  batch = batch_of(8)
  batch["image"] = np.broadcast_to(batch["image"][:1], batch["image"].shape)
  optimizers = {"model": optax.adam(1e-2)}
  state = create_state(task, optimizers, jax.random.key(0), batch)
  step = jax.jit(make_train_step(task, optimizers))
  losses = []
  for _ in range(60):
    state, logs = step(state, batch)
    losses.append(float(logs["matching"]))
  assert np.mean(losses[-10:]) < 0.5 * np.mean(losses[:10])
