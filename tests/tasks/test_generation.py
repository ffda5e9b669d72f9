"""What every generator does: resumes bit for bit, computes in bfloat16."""

import dataclasses
import types
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from tests.marks import with_slow
from tests.tables import TASKS, labelled_images
from vision_jax.core.execution import Jit
from vision_jax.core.state import create_state
from vision_jax.core.step import make_train_step
from vision_jax.inference.sample import sample_folder
from vision_jax.layers.dense import Dense
from vision_jax.models.generation.gan import DenseDiscriminator, DenseGenerator
from vision_jax.models.generation.vae import dense_vae
from vision_jax.ops import diffusion
from vision_jax.recipe import recipe
from vision_jax.tasks.diffusion import Diffusion
from vision_jax.tasks.flow_matching import FlowMatching
from vision_jax.tasks.gan import GAN
from vision_jax.tasks.generative import latents, outside
from vision_jax.tasks.vae import VariationalAutoencoding
from vision_jax.train.checkpoint.checkpoints import Checkpoints

NAMES = ("vae", "gan", "diffusion", "flow_matching")
CASES = [case for case in TASKS if case.name in NAMES]
each = pytest.mark.parametrize(
  "case",
  [
    pytest.param(
      case,
      id=case.name,
      marks=[pytest.mark.slow] * (case.name == "flow_matching"),
    )
    for case in CASES
  ],
)
SHAPE = (8, 8, 3)
STOP, END = 3, 5
LONG = diffusion.cosine(100)


class Denoiser(nn.Module):
  """The least that a diffusion can be of; it compiles in no time."""

  num_classes: int = 0
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, x, t=None, label=None, *, train, mask=None):
    y = x.reshape(len(x), -1)
    y = Dense(4, dtype=self.dtype)(y)
    return Dense(192, dtype=self.dtype)(y).reshape(x.shape).astype(jnp.float32)


SMALLEST = {
  "vae": VariationalAutoencoding(dense_vae(SHAPE, latent=2, hidden=(4,))),
  "gan": GAN(
    DenseGenerator(SHAPE, 3, (4,)),
    DenseDiscriminator((4,)),
    discriminator_steps=2,
  ),
  "diffusion": Diffusion(Denoiser(), diffusion.cosine(10)),
  "flow_matching": FlowMatching(Denoiser(), diffusion.path("rectified")),
}


def batch_of(task, size=8, seed=0):
  """Images in the task's range."""
  batch = labelled_images(size, seed)
  low, high = task.value_range
  image = low + (high - low) / (1 + np.exp(-batch["image"]))
  return batch | {"image": image.astype(np.float32)}


def filled(make):
  """A state of those shapes, cheap to make: nothing is compiled."""
  rng = np.random.default_rng(0)

  def fill(path, x):
    name = jax.tree_util.keystr(path)
    if name == ".key":
      return jax.random.key(0)
    if name.startswith((".params", ".ema.params")):
      return jnp.asarray(rng.normal(size=x.shape) * 0.3, x.dtype)
    if "stats" in name:
      return jnp.asarray(rng.uniform(0.5, 1, x.shape), x.dtype)
    return jnp.full(x.shape, -1 if name == ".bad_step" else 0, x.dtype)

  return jax.tree_util.tree_map_with_path(fill, jax.eval_shape(make))


def numbers(state):
  is_key = lambda x: jax.dtypes.issubdtype(x.dtype, jax.dtypes.prng_key)
  return {
    jax.tree_util.keystr(path): np.asarray(
      jax.random.key_data(x) if is_key(x) else x
    )
    for path, x in jax.tree_util.tree_leaves_with_path(state)
  }


def low(module):
  """The same module, and those in it, computing in bfloat16."""
  fields = {f.name: getattr(module, f.name) for f in dataclasses.fields(module)}
  changes = {
    name: low(x)
    for name, x in fields.items()
    if name != "parent" and isinstance(x, nn.Module)
  }
  if "dtype" in fields:
    changes["dtype"] = jnp.bfloat16
  return module.clone(**changes)


def in_bfloat16(task):
  fields = {f.name: getattr(task, f.name) for f in dataclasses.fields(task)}
  nets = {k: low(x) for k, x in fields.items() if isinstance(x, nn.Module)}
  return dataclasses.replace(task, **nets)


def start(task, ema=None):
  nets = [objective.net for objective in task.objectives]
  optimizers = {net: optax.adam(1e-3) for net in nets}
  batch, ema = batch_of(task), ema or {nets[-1]: 0.9}
  make = lambda: create_state(
    task, optimizers, jax.random.key(0), batch, ema=ema or {}
  )
  step = jax.jit(make_train_step(task, optimizers, ema=ema))
  return filled(make), step


def test_the_cases_are_all_generators():
  assert {case.name for case in CASES} == set(SMALLEST)


@pytest.mark.parametrize(
  "name", with_slow(SMALLEST, "gan", "vae", "flow_matching")
)
def test_in_bfloat16_a_stopped_run_ends_as_one_never_stopped(name, tmp_path):
  task = in_bfloat16(SMALLEST[name])
  first, step = start(task)

  def run(state, begin, end):
    for number in range(begin, end):
      state, logs = step(state, batch_of(task, seed=number))
      assert all(np.isfinite(x) for x in logs.values())
    return state

  whole = numbers(run(first, 0, END))
  with Checkpoints(tmp_path) as checkpoints:
    checkpoints.save(STOP, run(first, 0, STOP), None, {})
  with Checkpoints(tmp_path) as checkpoints:
    state, _ = checkpoints.restore(first)
  again = numbers(run(state, STOP, END))
  assert again.keys() == whole.keys()
  for name, x in whole.items():
    np.testing.assert_array_equal(again[name], x, err_msg=name)
  assert whole[".ema.count"] == END and whole[".bad_step"] == -1
  for name, x in numbers(first).items():
    if name.startswith(".ema.params"):
      assert x.dtype == np.float32 and (whole[name] != x).any(), name


@each
def test_bfloat16_is_near_float32(case):
  """The loss terms of every objective."""
  task, losses = case.make(), []
  state, _ = start(task)
  batch, key = batch_of(task), jax.random.key(1)
  for made in (task, in_bfloat16(task)):
    total = lambda made=made: [
      objective.loss(state.params, state.stats, batch, key, step=0, train=True)
      for objective in made.objectives
    ]
    terms = {k: x.divide() for found, _ in jax.jit(total)() for k, x in
             found.items()}  # fmt: skip
    losses.append(jax.device_get(terms))
  exact, near = losses
  assert any(near[k] != exact[k] for k in exact), "nothing was in bfloat16"
  for name, x in exact.items():
    scale = max(abs(x), 0.1)
    assert abs(near[name] - x) < 0.1 * scale, (name, near[name], x)


def test_fifty_steps_are_one_loop_of_one_program():
  """The U-Net is traced once, in a scan of 50; nothing goes to the host."""
  task = next(case for case in CASES if case.name == "diffusion").make()
  state, _ = start(task)
  jaxpr = jax.make_jaxpr(
    lambda params, stats, batch: task.sample(
      params, stats, batch, jax.random.key(0), sampler="ddim", steps=50
    )
  )(state.params, state.stats, batch_of(task, size=64))
  loops = [e for e in jaxpr.eqns if e.primitive.name in ("scan", "while")]
  assert [e.params["length"] for e in loops] == [50]
  assert "callback" not in str(jaxpr)


def test_sampling_compiles_once_and_transfers_nothing_between(
  tmp_path, monkeypatch
):
  task = dataclasses.replace(SMALLEST["diffusion"], schedule=LONG)
  state, _ = start(task)
  execution, traced = Jit(devices=jax.devices()[:1]), []
  original = execution.eval_step

  def eval_step(step):
    compiled = original(lambda *args: traced.append(1) or step(*args))

    def guarded(*arguments):
      with jax.transfer_guard("disallow"):
        return compiled(*arguments)

    return guarded

  monkeypatch.setattr(execution, "eval_step", eval_step)
  sample_folder(
    types.SimpleNamespace(task=task),
    execution.place((state.params, state.stats)),
    execution,
    (64, *SHAPE),
    tmp_path,
    num_samples=130,  # three batches of 64, the last one padded
    sampler="ddim",
    steps=50,
  )
  assert traced == [1]


def test_samples_meet_the_test_images_or_all_training_images():
  loaded = recipe.load("configs/generation/digits_gan.py:tiny")
  config, meet = loaded.config, lambda: loaded.build().evals
  assert set(meet()) == {"test"}
  assert len(meet()["test"].data.source) == config.eval_examples
  config.real = "train"
  (evaluation,) = meet().values()
  assert set(meet()) == {"train_set"} and evaluation.weights == ("ema",)
  index = np.concatenate([b["index"] for b in evaluation.data.epoch()])
  real = np.concatenate([b["mask"] for b in evaluation.data.epoch()]) > 0
  np.testing.assert_array_equal(index[real], np.arange(1437))
  config.real = "val"
  with pytest.raises(ValueError, match="got 'val'; expected 'test' or 'train'"):
    meet()


def test_an_interpolation_goes_from_one_draw_to_the_next():
  key, index = jax.random.key(0), np.arange(12)
  got = np.asarray(latents({"index": index}, key, 5, interpolate=4))
  draws = np.asarray(latents({"index": index}, key, 5))
  for row in range(3):
    path = got[4 * row : 4 * row + 4]
    np.testing.assert_allclose(path[0], draws[row], atol=1e-6)
    np.testing.assert_allclose(path[-1], draws[row + 1], atol=1e-6)
    third = np.cos(np.pi / 6) * draws[row] + np.sin(np.pi / 6) * draws[row + 1]
    np.testing.assert_allclose(path[1], third, rtol=1e-5, atol=1e-6)
  alone = latents({"index": index[5:7]}, key, 5, interpolate=4)
  np.testing.assert_allclose(alone, got[5:7], atol=1e-6)
  many = latents({"index": np.arange(30_000)}, key, 2, interpolate=3)
  np.testing.assert_allclose(np.std(many, 0), 1, atol=0.03)
  for wrong in (1, -3):
    with pytest.raises(ValueError, match=f"got {wrong}; expected at least 2"):
      latents({"index": index}, key, 5, interpolate=wrong)


def test_a_traversal_moves_one_value_of_a_code_at_a_time():
  key, index = jax.random.key(0), np.arange(18)
  got = np.asarray(latents({"index": index}, key, 5, traverse=3))
  first = np.asarray(latents({"index": index[:1]}, key, 5))[0]
  for i, z in enumerate(got):
    moved = i // 3 % 5
    assert z[moved] == (-3, 0, 3)[i % 3]
    np.testing.assert_array_equal(np.delete(z, moved), np.delete(first, moved))
  with pytest.raises(ValueError, match="expected at least 2 images of a row"):
    latents({"index": index}, key, 5, interpolate=3, traverse=3)


def test_pixels_outside_the_range_are_counted_for_each_image():
  image = np.zeros((3, 2, 2, 1), np.float32)
  image[1, 0, 0], image[2] = 1.5, -0.5
  np.testing.assert_allclose(outside(image, (0.0, 1.0)), [0, 0.25, 1])
  np.testing.assert_allclose(outside(image, (-1.0, 1.0)), [0, 0.25, 0])
