"""The diffusion transformer: its sizes, its start, and diffusers' outputs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.interop import parity
from tests.oracles import library
from vision_jax.models.count import parameters
from vision_jax.models.generation.dit import DiT, variant
from vision_jax.recipe import recipe

SMALL = {"features": 32, "depth": 2, "heads": 2, "patch": 2}


@pytest.mark.parametrize(
  ("name", "millions"),
  [
    ("S/2", 33),
    ("B/2", 130),
    ("XL/2", 675),
    pytest.param("S/8", 33, marks=pytest.mark.slow),
    pytest.param("L/4", 458, marks=pytest.mark.slow),
  ],
)
def test_sizes_are_the_papers(name, millions):
  """Table 4 of it, of latents (32, 32, 4), 1,000 classes and variances."""
  model = DiT(1000, learned_variance=True, **variant(name))
  got = parameters(model, (1, 32, 32, 4))
  if name == "XL/2":  # the authors' own number has its fixed positions
    assert got + 256 * 1152 == 675_129_632
  assert round(got / 1e6) == millions


def test_an_image_comes_out_and_wrong_sides_are_refused():
  model = DiT(4, **SMALL)
  x = jnp.ones((2, 8, 8, 3))
  run = lambda key: model.init_with_output(key, x, train=False)
  out, variables = jax.eval_shape(run, jax.random.key(0))
  assert out.shape == x.shape and out.dtype == jnp.float32
  assert variables["params"]["label"]["embedding"].shape == (5, 32)
  with pytest.raises(ValueError, match=r"9 x 8; expected .* the patch, 2"):
    jax.eval_shape(
      lambda: model.init(jax.random.key(0), jnp.ones((1, 9, 8, 3)), train=False)
    )
  with pytest.raises(ValueError, match="'M/2'; expected one of S, B, L, XL"):
    variant("M/2")


def test_it_is_the_net_of_flow_matching_by_config():
  values = {"net": "dit", "dit": "S/4"}
  path = "configs/generation/mnist_flow_matching.py:tiny"
  with recipe.load(path, values).build() as experiment:
    batch = experiment.train_data.batch(0)
    params, _ = jax.eval_shape(
      lambda: experiment.task.init(jax.random.key(0), experiment.inputs(batch))
    )
  assert experiment.task.num_classes == 10
  assert params["model"]["embedding"]["kernel"].shape == (16, 384)
  with pytest.raises(ValueError, match="did you mean 'dit'"):
    recipe.load(path, {"net": "di"}).build()


def renamed(state, depth):
  """diffusers' tensors under our paths; blocks share one embedding."""
  weight = lambda name: np.asarray(state[f"{name}.weight"]).T
  dense = lambda name: {
    "kernel": weight(name),
    "bias": np.asarray(state[f"{name}.bias"]),
  }
  patch = dense("pos_embed.proj")  # (q, p, c, d): to rows of p, q, c
  patch["kernel"] = patch["kernel"].transpose(1, 0, 2, 3)
  patch["kernel"] = patch["kernel"].reshape(-1, patch["kernel"].shape[-1])
  first = "transformer_blocks.0.norm1.emb."
  time = [dense(f"{first}timestep_embedder.linear_{i}") for i in (1, 2)]
  half = len(time[0]["kernel"]) // 2  # theirs are cosines first
  time[0]["kernel"] = np.roll(time[0]["kernel"], half, 0)
  table = np.asarray(state[f"{first}class_embedder.embedding_table.weight"])
  params = {
    "embedding": patch,
    "time": {"dense1": time[0], "dense2": time[1]},
    "label": {"embedding": table},
    "modulation": dense("proj_out_1"),
    "out": dense("proj_out_2"),
  }
  for i in range(depth):
    name = f"transformer_blocks.{i}."
    parts = {"query": "to_q", "key": "to_k", "value": "to_v", "out": "to_out.0"}
    params[f"block{i}"] = {
      "modulation": dense(f"{name}norm1.linear"),
      "attention": {k: dense(f"{name}attn1.{v}") for k, v in parts.items()},
      "mlp": {
        "dense1": dense(f"{name}ff.net.0.proj"),
        "dense2": dense(f"{name}ff.net.2"),
      },
    }
  return {"params": params}


@pytest.mark.slow
def test_outputs_are_diffusers():
  torch, diffusers = library("torch"), library("diffusers")
  theirs = diffusers.DiTTransformer2DModel(
    num_attention_heads=2,
    attention_head_dim=16,
    in_channels=3,
    out_channels=6,
    num_layers=2,
    sample_size=8,
    patch_size=2,
    num_embeds_ada_norm=4,
    norm_eps=1e-6,
  )
  parity.randomise(theirs)
  theirs.eval()
  state = theirs.state_dict()
  shared = "transformer_blocks.0.norm1.emb."
  for name in list(state):
    if ".norm1.emb." in name:
      state[name] = state[shared + name.split(".norm1.emb.")[1]]
  theirs.load_state_dict(state)
  x = parity.images(3, 8, 8, 3)
  times, label = np.asarray([3, 500.5, 999], np.float32), np.array([0, 2, 4])
  with torch.no_grad():
    want = theirs(
      parity.nchw(x), torch.tensor(times), torch.tensor(label)
    ).sample
  model = DiT(4, learned_variance=True, **SMALL)
  got = model.apply(renamed(state, 2), x, times, label, train=False)
  parity.same(got, want.permute(0, 2, 3, 1))
