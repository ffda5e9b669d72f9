"""ViT with random weights gives what transformers' give."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.oracles import library
from vision_jax.layers import dense
from vision_jax.models.backbones.vit import ViT
from vision_jax.ops.forms import cpu_forms

both_forms = pytest.mark.parametrize("on", [True, False], ids=["cpu", "xla"])


@pytest.fixture
def torch():
  module = library("torch")
  library("transformers")
  module.manual_seed(0)
  return module


def randomise(torch, model):
  """Draws every weight and running moment, and returns them as numpy."""
  for name, value in model.state_dict().items():
    if "running_var" in name:
      value.uniform_(0.5, 2)
    elif value.is_floating_point():
      shift = 1.0 if value.ndim == 1 and "norm" in name else 0.0
      value.normal_(shift if name.endswith("weight") else 0.0, 0.1)
  return {k: v.numpy().copy() for k, v in model.eval().state_dict().items()}


def compare(torch, model, theirs, variables, x, on):
  with cpu_forms(on):
    y = model.apply(variables, x, train=False)
  with torch.no_grad():
    expected = theirs(torch.tensor(x.transpose(0, 3, 1, 2).copy())).logits
  np.testing.assert_allclose(y, expected.numpy(), rtol=1e-4, atol=1e-4)


def images(*shape):
  return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def vit_variables(weights, depth):
  """Renames transformers' weights to ours."""
  get = lambda name: weights[name]

  def dense_of(name):
    return {"kernel": get(f"{name}.weight").T, "bias": get(f"{name}.bias")}

  def norm_of(name):
    return {"scale": get(f"{name}.weight"), "bias": get(f"{name}.bias")}

  patches = "vit.embeddings.patch_embeddings.projection"
  params = {
    "embedding": {
      "kernel": get(f"{patches}.weight").transpose(2, 3, 1, 0),
      "bias": get(f"{patches}.bias"),
    },
    "cls": get("vit.embeddings.cls_token"),
    "positions": get("vit.embeddings.position_embeddings")[0],
    "norm": norm_of("vit.layernorm"),
    "head": dense_of("classifier"),
  }
  for i in range(depth):
    prefix = f"vit.layers.{i}"
    params[f"block{i}"] = {
      "norm1": norm_of(f"{prefix}.layernorm_before"),
      "norm2": norm_of(f"{prefix}.layernorm_after"),
      "attention": {
        ours: dense_of(f"{prefix}.attention.{ours[0]}_proj")
        for ours in ("query", "key", "value", "out")
      },
      "mlp": {f"dense{n}": dense_of(f"{prefix}.mlp.fc{n}") for n in (1, 2)},
    }
  return {"params": jax.tree.map(jnp.asarray, params)}


@both_forms
def test_vit(torch, monkeypatch, on):
  from transformers import ViTConfig, ViTForImageClassification

  monkeypatch.setattr(dense, "LARGE_ROWS", 8)
  config = ViTConfig(
    hidden_size=24,
    num_hidden_layers=2,
    num_attention_heads=3,
    intermediate_size=96,
    image_size=32,
    patch_size=8,
    layer_norm_eps=1e-6,
    num_labels=7,
  )
  theirs = ViTForImageClassification(config)
  variables = vit_variables(randomise(torch, theirs), 2)
  model = ViT(7, patch=8, features=24, depth=2, heads=3)
  compare(torch, model, theirs, variables, images(2, 32, 32, 3), on)
