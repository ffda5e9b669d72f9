"""Configs that name a published recipe have its values, where it is read."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from benchmarks.suites import generation
from vision_jax.models.backbones.vit import ViT
from vision_jax.recipe import recipe

CONFIGS = "configs"


def built(name, **overrides):
  loaded = recipe.load(f"{CONFIGS}/{name}.py:tiny", overrides)
  return loaded, loaded.build()


def full(name):
  return recipe.load(f"{CONFIGS}/{name}.py").config


def rates(transform, updates):
  """The rates of some updates, of one made-up kernel."""
  params = {"kernel": jnp.ones((2, 2))}
  state = transform.init(params)
  step = jax.jit(transform.update)
  found = []
  for _ in range(updates):
    _, state = step(jax.tree.map(jnp.zeros_like, params), state, params)
    found.append(float(optax.tree.get(state, "learning_rate")))
  return found


def test_ddpm_does_not_decay_its_rate():
  """diffusion_tf/utils.py: the rate rises over `warmup` updates, and stays."""
  _, experiment = built("generation/cifar10_ddpm")
  found = rates(experiment.optimizers["model"], 20)
  np.testing.assert_allclose(found[:6], np.arange(6) / 5 * 2e-4, rtol=1e-6)
  np.testing.assert_allclose(found[5:], 2e-4, rtol=1e-6)
  assert full("generation/cifar10_ddpm").decay == "none"


def test_ddims_rows_sample_as_its_authors_did():
  """Quadratic times, and images that are not clipped on the way."""
  rows = [row for row in generation.CIFAR10 if "ddim" in row.name]
  assert len(rows) == 4
  for row in rows:
    assert (row.overrides["spacing"], row.overrides["clip"]) == (
      "quadratic",
      "False",
    )
  _, experiment = built(
    "generation/cifar10_ddpm", spacing="quadratik", clip="False"
  )
  assert experiment.task.clip is False
  batch = jax.eval_shape(experiment.inputs, experiment.train_data.batch(0))
  key = jax.random.key(0)
  params, stats = jax.eval_shape(experiment.task.init, key, batch)
  sample = experiment.evals["test"].output
  with pytest.raises(ValueError, match="spacing: got 'quadratik'"):
    jax.eval_shape(sample, params, stats, batch, key)


@pytest.mark.parametrize("decay", ["linear", ""])
def test_an_unknown_decay_is_refused(decay):
  with pytest.raises(ValueError, match="decay"):
    built("generation/cifar10_ddpm", decay=decay)


def test_resnet56_starts_at_its_rate():
  """The paper warms up ResNet-110 alone (section 4.2)."""
  _, experiment = built("classification/cifar10_resnet56")
  found = rates(experiment.optimizers["model"], 20)
  np.testing.assert_allclose(found[:10], 0.1, rtol=1e-6)
  np.testing.assert_allclose(found[15:], 1e-3, rtol=1e-5)


def test_values_of_the_sources():
  """mmpretrain's cifar10_bs128.py; Flax's examples/imagenet; big_vision."""
  resnet18 = full("classification/cifar10_resnet18")
  assert (resnet18.lr, resnet18.weight_decay) == (0.1, 1e-4)
  resnet50 = full("classification/imagenet_resnet50")
  assert resnet50.steps * 1024 // 1_268_356 == 100
  assert resnet50.warmup * 20 == resnet50.steps
  assert (resnet50.lr, resnet50.weight_decay) == (0.4, 1e-4)
  vit = full("classification/imagenet_vit_s16")
  assert vit.lr * vit.weight_decay == pytest.approx(1e-4)
  assert (vit.warmup, vit.mixup) == (10_000, 0.2)


def test_resnet50_has_no_label_smoothing():
  _, experiment = built("classification/imagenet_resnet50")
  logits = jnp.log(jnp.array([[0.7, 0.2, 0.1]]))
  loss = experiment.task.loss(logits, jnp.array([0]))
  np.testing.assert_allclose(loss, -np.log(0.7), rtol=1e-6)


@pytest.mark.parametrize(
  ("name", "rate"),
  [("detection/coco_detr_r50", 1e-4), ("classification/cifar10_resnet18", 0.1)],
)
def test_all_parameters_decay(name, rate):
  """DETR's main.py and mmpretrain give one decay to all that trains."""
  _, experiment = built(name)
  layer = {"kernel": jnp.ones((2, 2)), "bias": jnp.ones(2)}
  norm = {"scale": jnp.ones(2), "bias": jnp.ones(2)}
  params = {"backbone": {"conv": layer, "bn": norm}, "norm": norm, **layer}
  transform = experiment.optimizers["model"]
  zeros = jax.tree.map(jnp.zeros_like, params)
  updates, _ = jax.jit(transform.update)(zeros, transform.init(params), params)
  parts = {"backbone": 0.1 if "detr" in name else 1.0}
  for path, update in jax.tree_util.tree_leaves_with_path(updates):
    expected = -rate * 1e-4 * parts.get(path[0].key, 1.0)
    np.testing.assert_allclose(update, expected, rtol=1e-4, err_msg=str(path))


def test_vit_has_big_visions_layer_before_the_logits():
  _, experiment = built("classification/imagenet_vit_s16")
  assert experiment.task.model.pre_logits
  vit = ViT(16, patch=4, features=16, depth=1, heads=2, pre_logits=True)
  x = jax.random.normal(jax.random.key(0), (2, 8, 8, 3))
  init = jax.jit(functools.partial(vit.init, train=False))
  params = init(jax.random.key(1), x)["params"]
  assert params["pre_logits"]["kernel"].shape == (16, 16)
  assert params["pre_logits"]["bias"].shape == (16,)
  params["head"]["kernel"] = jnp.eye(16)  # to see what is classified
  plain = dataclasses.replace(vit, pre_logits=False)
  rest = {k: v for k, v in params.items() if k != "pre_logits"}
  run = lambda net, params: jax.jit(functools.partial(net.apply, train=False))(
    {"params": params}, x
  )
  hidden = run(plain, rest) @ params["pre_logits"]["kernel"]
  np.testing.assert_allclose(run(vit, params), jnp.tanh(hidden), rtol=2e-5)
