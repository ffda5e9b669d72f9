"""What autodiff keeps: less with remat and forms, and the same gradients."""

import collections
import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks.memory.saved import saved
from tests.marks import with_slow
from tests.tables_families import FAMILIES, IMAGE, WITH_BLOCKS
from tests.test_configs import CONFIGS
from vision_jax.errors import UserError
from vision_jax.forms.choice import use_forms
from vision_jax.layers.remat import MODES, remat
from vision_jax.models.backbones.vit import ViT
from vision_jax.recipe import recipe

AGAIN = {"gelu": "again", "layer_norm": "again"}
KEPT = {"gelu": "kept", "layer_norm": "kept"}


def in_training(model):
  """(params, the other variables, image) -> outputs, and new statistics."""

  def apply(params, rest, x):
    return model.apply(
      {"params": params, **rest},
      x,
      train=True,
      mutable=["batch_stats"],
      rngs={"dropout": jax.random.key(1)},
    )

  return apply


def kept_by(model, variables):
  """The arrays kept for the backward pass, as shapes with dtypes."""
  rest = {k: x for k, x in variables.items() if k != "params"}
  return saved(in_training(model), variables["params"], rest, IMAGE)


def size(arrays):
  return sum(x.size * x.dtype.itemsize for x in arrays)


COSTLY = (
  *("ddpm", "deformable_detr", "detr", "detr_encoder", "dit", "enet", "fcos"),
  *("retinanet", "rt_detr"),
  *("yolox", "yolo", "ssd"),
  *("faster_rcnn", "mask_rcnn", "keypoint_rcnn"),
)


@pytest.mark.parametrize("name", with_slow(WITH_BLOCKS, *COSTLY))
def test_remat_keeps_less(name):
  family = FAMILIES[name]
  dtype = jnp.bfloat16
  models = {mode: family.make(remat=mode, dtype=dtype) for mode in MODES}
  variables = family.variables(models["none"])
  for mode in MODES:  # parameters stay where they are
    assert jax.tree.structure(variables) == jax.tree.structure(
      family.variables(models[mode])
    )
  sizes = {mode: size(kept_by(m, variables)) for mode, m in models.items()}
  assert sizes["blocks"] < sizes["dots"] < sizes["none"], sizes


# Compiling three gradients of each takes long; what is kept is traced.
LONG = (
  "ddpm",
  "deformable_detr",
  "detr",
  "detr_encoder",
  "enet",
  "rt_detr",
  "yolox",
)


@pytest.mark.parametrize(
  "name",
  [
    name if name == "vit" else pytest.param(name, marks=pytest.mark.slow)
    for name in WITH_BLOCKS
    if name not in LONG
  ],
)
def test_remat_changes_nothing(name):
  """With dropout, statistics and stochastic depth."""
  family = FAMILIES[name]
  rng = np.random.default_rng(0)
  draw = lambda x: jnp.asarray(rng.normal(size=x.shape) * 0.3, x.dtype)
  variables = jax.tree.map(draw, family.variables(family.make()))
  params = variables.pop("params")
  x = draw(IMAGE)

  def gradient(mode):
    apply = in_training(family.make(remat=mode))

    def loss(params):
      out, new = apply(params, variables, x)
      return sum(jnp.sum(jnp.sin(y)) for y in jax.tree.leaves(out)), new

    return jax.grad(loss, has_aux=True)(params)

  plain, *others = jax.jit(lambda: [gradient(mode) for mode in MODES])()
  for other in others:
    jax.tree.map(
      lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-3, atol=2e-4),
      plain,
      other,
    )


def test_gelu_and_layer_norm_keep_one_array_each():
  """ViT-S: 29 MB of GELU an image in bf16, of which 7 are needed."""
  depth = 2  # of 12, which are alike
  model = ViT(1000, 16, 384, depth, 6, head="gap", dtype=jnp.bfloat16)
  image = jax.ShapeDtypeStruct((1, 224, 224, 3), jnp.float32)
  family = dataclasses.replace(FAMILIES["vit"], inputs=(image,))
  params = family.variables(model)["params"]
  counts = {}
  for which, forms in (("kept", KEPT), ("again", AGAIN)):
    with use_forms(**forms):
      arrays = saved(in_training(model), params, {}, image)
    kinds = collections.Counter((x.shape, x.dtype.name) for x in arrays)
    hidden, tokens = (1, 196, 1536), (1, 196, 384)
    counts[which] = kinds[hidden, "bfloat16"], kinds[tokens, "float32"]
  assert counts["kept"][0] == 4 * depth
  assert counts["kept"][1] >= 2 * (2 * depth + 1)
  assert counts["again"] == (depth, 0)


def test_both_forms_of_gelu_and_layer_norm_agree():
  model, x = ViT(4, 4, 16, 2, 2, dropout=0.1), jnp.ones(IMAGE.shape)
  shapes = FAMILIES["vit"].variables(model)["params"]
  rng = np.random.default_rng(0)
  params = jax.tree.map(
    lambda a: jnp.asarray(rng.normal(size=a.shape), a.dtype), shapes
  )

  def gradient(forms):
    with use_forms(**forms):
      loss = lambda p: jnp.sum(in_training(model)(p, {}, x)[0])
      return jax.grad(loss)(params)

  both = jax.jit(lambda: [gradient(KEPT), gradient(AGAIN)])()
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-3), *both
  )


def nets(value):
  """The modules that a task, or a module, is made of."""
  for field in dataclasses.fields(value):
    child = getattr(value, field.name, None)
    if isinstance(child, nn.Module) and field.name not in ("parent", "name"):
      yield child
      yield from nets(child)


@pytest.mark.parametrize("path", CONFIGS)
def test_the_key_is_there_where_there_are_blocks(path):
  loaded = recipe.load(f"{path}:tiny")
  if "fields" in loaded.config:  # where --config.fields says it
    assert "remat" not in loaded.config
    return
  if "remat" not in loaded.config:
    found = list(nets(loaded.build().task))
    assert found and not any(hasattr(net, "remat") for net in found)
    return
  loaded = recipe.load(f"{path}:tiny", {"remat": "dots", "dtype": "bfloat16"})
  found = list(nets(loaded.build().task))
  assert {net.remat for net in found if hasattr(net, "remat")} == {"dots"}
  # Heads around a net have no dtype of their own.
  types = {str(jnp.dtype(x.dtype)) for x in found if hasattr(x, "dtype")}
  assert types == {"bfloat16"}


def test_an_unknown_mode():
  with pytest.raises(UserError, match=r"remat: got True; expected one of none"):
    remat(nn.Dense, True)
