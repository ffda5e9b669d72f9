"""Every model: size, shapes, gradients, both forms, bfloat16, bad input."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.tables_models import MODELS, STRUCTURES
from vision_jax.forms.choice import cpu_forms
from vision_jax.layers import dense
from vision_jax.models import count
from vision_jax.models.backbones.resnet import ResNet18, ResNet50
from vision_jax.models.backbones.vit import ViT, variant
from vision_jax.ops.shapes import check_shape

BATCH = 4
each_model = pytest.mark.parametrize(
  "row",
  [
    pytest.param(row, id=row.name, marks=[pytest.mark.slow] * row.slow)
    for row in MODELS
  ],
)
COSTLY = {
  *("resnet18", "resnet50", "vit_cls_learned"),
  *("vit_gap_sincos2d", "vit_map_learned", "vit_distilled"),
  *("convnext_t", "swin_t", "efficientnet_b0", "efficientnet_v2s"),
  *("vit_map_sincos2d", "vit_gap_learned", "tanh_lenet5", "decorrelated_cnn"),
}
assert {name for name, *_ in STRUCTURES} >= COSTLY
few_structures = pytest.mark.parametrize(
  "make,image",
  [
    pytest.param(
      *(make, image), id=name, marks=[pytest.mark.slow] * (name in COSTLY)
    )
    for name, make, image in STRUCTURES
  ],
)
KEYS = {
  "params": jax.random.key(0, impl="rbg"),
  "dropout": jax.random.key(1, impl="rbg"),
}


def make_images(image, batch=BATCH):
  rng = np.random.default_rng(0)
  return jnp.asarray(rng.normal(size=(batch, *image)), jnp.float32)


def shake(params):
  """Moves parameters off the zeros that some start at."""
  leaves, tree = jax.tree.flatten(params)
  rng = np.random.default_rng(1)
  moved = [x + 0.1 * rng.normal(size=x.shape).astype(x.dtype) for x in leaves]
  return tree.unflatten(moved)


def init(model, x):
  variables = jax.jit(functools.partial(model.init, train=False))(KEYS, x)
  return {**variables, "params": shake(variables["params"])}


@functools.cache
def started(make, image):
  """Returns a structure's variables; any form has the same."""
  return init(make(), make_images(image))


def differentiate(model, variables, x):
  """Returns the logits and the gradient of a loss, in training."""

  def loss(params):
    logits, _ = model.apply(
      {**variables, "params": params},
      x,
      train=True,
      mutable=["batch_stats"],
      rngs={"dropout": KEYS["dropout"]},
    )
    labels = jax.nn.one_hot(jnp.arange(len(x)) % 10, logits.shape[-1])
    return -jnp.sum(labels * jax.nn.log_softmax(logits)), logits

  grad = jax.jit(jax.grad(loss, has_aux=True))
  grads, logits = grad(variables["params"])
  return logits, grads


@functools.cache
def traced(name):
  """Returns the shapes of a published net's logits and variables."""
  row = next(x for x in MODELS if x.name == name)
  model = row.make(dtype=jnp.bfloat16)
  init = lambda x: model.init_with_output(KEYS, x, train=False)
  return jax.eval_shape(init, jax.ShapeDtypeStruct((2, *row.image), jnp.uint8))


@each_model
def test_parameters_are_the_published_ones(row):
  _, variables = traced(row.name)
  sizes = [x.size for x in jax.tree.leaves(variables["params"])]
  assert sum(sizes) == row.parameters


@pytest.mark.parametrize(
  "row",
  [
    pytest.param(row, marks=[pytest.mark.slow] * (not row.narrow), id=row.name)
    for row in MODELS
  ],
)
def test_logits_are_float32(row):
  model, (logits, variables) = row.make(), traced(row.name)
  features = getattr(model, "features", getattr(model, "embedding", None))
  assert logits.shape == (2, model.num_classes or features)
  assert {x.dtype for x in jax.tree.leaves((logits, variables))} == {
    jnp.dtype("float32")
  }


def dead(grads):
  """Returns the paths of the parameters that a gradient does not reach."""
  return [
    jax.tree_util.keystr(path, simple=True, separator="/")
    for path, leaf in jax.tree_util.tree_leaves_with_path(grads)
    if not np.any(np.abs(leaf) > 1e-9)
  ]


@few_structures
def test_forms_agree_and_their_gradient_reaches_every_parameter(
  monkeypatch, make, image
):
  monkeypatch.setattr(dense, "LARGE_ROWS", 8)
  results = []
  for on in (True, False):
    with cpu_forms(on):
      variables, x = started(make, image), make_images(image)
      results.append(differentiate(make(), variables, x))
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-3, atol=2e-4),
    *results,
  )
  for _, grads in results:
    # A bias of the keys moves all of a query's scores alike.
    assert [p for p in dead(grads) if not p.endswith("key/bias")] == []


@few_structures
def test_bfloat16_is_near_float32(make, image):
  x, variables = make_images(image), started(make, image)
  apply = lambda dtype: jax.jit(
    lambda v, x: make(dtype=dtype).apply(v, x, train=False)
  )(variables, x)
  low, full = apply(jnp.bfloat16), apply(jnp.float32)
  assert low.dtype == jnp.float32
  scale = np.abs(full).max()
  np.testing.assert_allclose(low, full, atol=0.06 * scale, rtol=0)


@pytest.mark.parametrize("stem,sizes", [("imagenet", 4), ("small", 1)])
def test_features_of_a_resnet(stem, sizes):
  model = ResNet50(10, width=4, stages=(1, 1, 1, 1), stem=stem)
  x = make_images((32, 64, 3), 2)
  with_head = jax.eval_shape(lambda: model.init(KEYS, x, train=False))
  maps, without = jax.eval_shape(
    lambda: model.init_with_output(KEYS, x, train=False, features=True)
  )
  strides = {f"c{i + 2}": sizes * 2**i for i in range(4)}
  assert {name: m.shape for name, m in maps.items()} == {
    name: (2, 32 // s, 64 // s, 16 * s // sizes) for name, s in strides.items()
  }
  assert set(with_head["params"]) - set(without["params"]) == {"fc"}


def test_a_new_residual_branch_is_the_identity():
  model = ResNet18(10, width=4, stem="small")
  x = make_images((8, 8, 3), 2)
  variables = jax.jit(functools.partial(model.init, train=False))(KEYS, x)
  for stage in (2, 3, 4, 5):
    scale = variables["params"][f"conv{stage}_2"]["bn2"]["scale"]
    assert not np.any(scale)


def test_a_vit_takes_another_resolution():
  fields = {"patch": 4, "features": 8, "depth": 1, "heads": 2}
  small, large = make_images((8, 8, 3)), make_images((16, 12, 3))
  variables = init(ViT(10, **fields), small)
  evaluate = lambda model, x: jax.jit(
    functools.partial(model.apply, train=False)
  )(variables, x)
  model = ViT(10, **fields, grid=(2, 2))
  same = evaluate(model, small)
  np.testing.assert_array_equal(same, evaluate(ViT(10, **fields), small))
  assert evaluate(model, large).shape == (BATCH, 10)


@pytest.mark.parametrize(
  "call,message",
  [
    (lambda: variant("XL/16"), r"'XL/16'; expected one of Ti, S, B, L"),
    (lambda: variant("S"), r"such as 'S/16'"),
    (
      lambda: count.parameters(ViT(10), (1, 30, 32, 3)),
      r"30 x 32 pixels; expected multiples of the patch, 16",
    ),
    (
      lambda: count.parameters(ViT(10, head="mean"), (1, 32, 32, 3)),
      r"head='mean'; expected one of",
    ),
    (
      lambda: count.parameters(ResNet50(10, stem="big"), (1, 32, 32, 3)),
      r"stem='big'; expected one of",
    ),
    (
      lambda: count.parameters(ResNet50(10), (32, 32, 3)),
      r"image: got shape \(32, 32, 3\); expected \(b, h, w, c\)",
    ),
    (
      lambda: check_shape("boxes", jnp.zeros((2, 5, 3)), "b n 4"),
      r"boxes: got shape \(2, 5, 3\); expected \(b, n, 4\)",
    ),
    (
      lambda: check_shape("pair", jnp.zeros((2, 3)), "n n"),
      r"pair: got shape \(2, 3\); expected \(n, n\)",
    ),
  ],
)
def test_bad_input(call, message):
  with pytest.raises(ValueError, match=message):
    call()
