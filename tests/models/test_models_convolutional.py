"""Convolutional classifiers: maps for others, training, auxiliary heads."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vision_jax.forms.choice import cpu_forms
from vision_jax.models.backbones.densenet import DenseNet
from vision_jax.models.backbones.googlenet import GoogLeNet
from vision_jax.models.backbones.inverted_residual import Residual
from vision_jax.models.backbones.mobilenet_v1 import MobileNetV1
from vision_jax.models.backbones.mobilenet_v2 import MobileNetV2
from vision_jax.models.backbones.mobilenet_v3 import MobileNetV3
from vision_jax.models.backbones.resnet import ResNet
from vision_jax.models.backbones.vgg import VGG
from vision_jax.models.backbones.xception import Xception
from vision_jax.tasks.classification import Classification

KEYS = {"params": jax.random.key(0), "dropout": jax.random.key(1)}
_BLOCKS = (
  Residual(16, 16, 3, 2, True),
  Residual(24, 8, 5, 2, True, jax.nn.hard_swish),
)
NARROW = {
  "vgg": functools.partial(VGG, 5, ((4,), (4, 8)), True, hidden=8),
  "resnet_dilated": functools.partial(
    ResNet, 5, (1, 2, 1, 2), False, 4, dilated=2
  ),
  "resnext": functools.partial(
    ResNet, 5, (1, 1), groups=2, width_per_group=16, width=16
  ),
  "mobilenet_v1": functools.partial(
    MobileNetV1, 5, ((8, 1), (8, 2), (16, 2)), 4
  ),
  "mobilenet_v2": functools.partial(
    MobileNetV2, 5, ((1, 8, 1, 1), (2, 8, 2, 2)), 8, 16
  ),
  "mobilenet_v3": functools.partial(MobileNetV3, 5, _BLOCKS, 8),
  "densenet": functools.partial(DenseNet, 5, (2, 1), 4, 8, 2),
  "xception": functools.partial(
    Xception, 5, (((8, 8), 2), ((8,), 1)), (4, 4), (8, 8)
  ),
}
MAPS = [name for name in NARROW if name != "xception"]


def images(batch=3):
  x = np.random.default_rng(0).normal(size=(batch, 32, 48, 3))
  return jnp.asarray(x, jnp.float32)


@pytest.mark.parametrize("name", MAPS)
def test_maps_have_their_strides(name):
  model, x = NARROW[name](), images()
  maps = jax.eval_shape(
    lambda: model.init_with_output(KEYS, x, train=False, features=True)[0]
  )
  assert {level: m.shape[1:3] for level, m in maps.items()} == {
    level: (32 // s, 48 // s) for level, s in model.strides.items()
  }


def awake(params):
  """Returns `params` with scales of 1 where a ResNet's branches end in 0."""
  return jax.tree_util.tree_map_with_path(
    lambda path, x: jnp.ones_like(x) if path[-1].key == "scale" else x, params
  )


@pytest.mark.slow
@pytest.mark.parametrize("name", NARROW)
def test_forms_and_remat_agree_and_every_parameter_learns(name):
  x, results = images(), []
  fields = [(True, "none"), (False, "none")]
  fields += [(True, "blocks")] * hasattr(NARROW[name](), "remat")
  variables = jax.jit(lambda x: NARROW[name]().init(KEYS, x, train=False))(x)
  variables = {**variables, "params": awake(variables["params"])}
  for on, mode in fields:
    model = NARROW[name](**({} if mode == "none" else {"remat": mode}))

    def loss(params, model=model):
      logits, _ = model.apply(
        {**variables, "params": params},
        x,
        train=True,
        mutable=["batch_stats"],
        rngs=KEYS,
      )
      return jnp.sum(jnp.sin(logits + jnp.arange(5)))

    with cpu_forms(on):
      results.append(jax.jit(jax.value_and_grad(loss))(variables["params"]))
  for other in results[1:]:
    jax.tree.map(
      lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-3, atol=2e-4),
      *(results[0], other),
    )
  paths = jax.tree_util.tree_leaves_with_path(results[0][1])
  still = {
    jax.tree_util.keystr(path, simple=True, separator="/")
    for path, leaf in paths
    if not np.any(np.abs(leaf) > 1e-9)
  }
  # What a later normalisation takes off again moves nothing.
  assert [p for p in still if "bias" not in p] == []


class Heads(nn.Module):
  """A bias for each class, and for each of two auxiliary heads."""

  auxiliary: bool

  @nn.compact
  def __call__(self, x, *, train, mask=None):
    names = ("logits", "aux1", "aux2")
    make = lambda name: self.param(name, nn.initializers.normal(1.0), (5,))
    out = {name: jnp.tile(make(name), (len(x), 1)) for name in names}
    return out if train and self.auxiliary else out["logits"]


def terms_of(task, train):
  label = np.array([0, 1, 2])
  mask = np.array([1.0, 1.0, 0.0], np.float32)
  batch = {"image": images(), "label": label, "mask": mask}
  params, stats = task.init(KEYS["params"], batch)
  (objective,) = task.objectives
  options = {"step": 0, "train": train}
  terms, _ = objective.loss(params, stats, batch, KEYS["dropout"], **options)
  means = {name: float(term.divide()) for name, term in terms.items()}
  return objective.weights, means, params["model"]


def test_losses_of_auxiliary_heads_are_a_term_of_training():
  task = Classification(Heads(True), auxiliary=0.3)
  weights, means, params = terms_of(task, train=True)
  assert weights == {"cross_entropy": 1.0, "auxiliary": 0.3}
  of = lambda name: -float(jax.nn.log_softmax(params[name])[:2].mean())
  assert means["cross_entropy"] == pytest.approx(of("logits"), rel=1e-5)
  both = of("aux1") + of("aux2")
  assert means["auxiliary"] == pytest.approx(both, rel=1e-5)
  _, means, _ = terms_of(task, train=False)
  assert set(means) == {"cross_entropy"}


@pytest.mark.parametrize("heads,weight", [(True, 0.0), (False, 0.3)])
def test_a_weight_without_heads_and_heads_without_a_weight(heads, weight):
  task = Classification(Heads(heads), auxiliary=weight)
  with pytest.raises(ValueError, match=f"auxiliary: got {weight}, and the"):
    terms_of(task, train=True)


def test_auxiliary_heads_are_in_training_alone():
  model, x = GoogLeNet(5, auxiliary=True), images()
  variables = jax.eval_shape(lambda: model.init(KEYS, x, train=False))
  call = functools.partial(model.apply, rngs=KEYS, mutable=["batch_stats"])
  for train, kind in ((True, dict), (False, jax.ShapeDtypeStruct)):
    apply = functools.partial(call, train=train)
    out, _ = jax.eval_shape(apply, variables, x)
    assert isinstance(out, kind)
  assert {"aux1", "aux2"} < set(variables["params"])
