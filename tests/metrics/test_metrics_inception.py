"""FID's Inception: its size, its odd pools, and reading a user's file.

The weights themselves are not here: what is tested is that a file of the
published layout gives the numbers that torch gives.
"""

import hashlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.oracles import library
from vision_jax.metrics import generation_inception
from vision_jax.metrics.generation_inception import from_tensors, read_inception
from vision_jax.models.backbones import fid_inception
from vision_jax.models.backbones.fid_inception import (
  Block,
  FIDInception,
  block_a,
  block_e,
)
from vision_jax.pipelines import extractors


def test_it_has_inceptions_size():
  model = FIDInception()
  x = jnp.zeros((1, 299, 299, 3))
  shapes = jax.eval_shape(lambda: model.init(jax.random.key(0), x))["params"]
  leaves = jax.tree_util.tree_leaves_with_path(shapes)
  moments = [x.size for p, x in leaves if p[-1].key in ("mean", "var")]
  total = sum(x.size for _, x in leaves) - sum(moments)
  # torchvision's 27,161,264 less its auxiliary head's 3,326,696, and 1008
  # classes for 1000, without a bias.
  assert total == 27_161_264 - 3_326_696 + 8 * 2049 - 1008
  assert len(shapes) == 5 + 11 + 1


def state_of(shapes, seed=0):
  """A torch state of random tensors for nested shapes, by torch's names."""
  torch_names = {
    "scale": "bn.weight",
    "bias": "bn.bias",
    "mean": "bn.running_mean",
    "var": "bn.running_var",
    "kernel": "conv.weight",
  }
  rng = np.random.default_rng(seed)
  state = {}
  for path, leaf in jax.tree_util.tree_leaves_with_path(shapes):
    *where, last = (p.key for p in path)
    x = rng.normal(size=leaf.shape).astype(np.float32) / 8
    x = np.abs(x) + 0.5 if last in ("var", "scale") else x
    if where == ["fc"]:
      name = "fc.weight" if last == "kernel" else "fc.bias"
      x = x.T if last == "kernel" else x
    else:
      name = ".".join([*where, torch_names[last]])
      x = x.transpose(3, 2, 0, 1) if last == "kernel" else x
    state[name] = np.ascontiguousarray(x)
  state["fc.bias"] = rng.normal(size=x.shape[-1]).astype(np.float32)
  return state


def torch_conv(state, name, x, padding=0, stride=1):
  import torch

  t = lambda key: torch.tensor(state[f"{name}.{key}"])
  y = torch.nn.functional.conv2d(
    x, t("conv.weight"), stride=stride, padding=padding
  )
  y = torch.nn.functional.batch_norm(
    y, t("bn.running_mean"), t("bn.running_var"), t("bn.weight"), t("bn.bias"),
    eps=1e-3,
  )  # fmt: skip
  return torch.relu(y)


def torch_block_a(state, x):
  import torch

  conv = lambda name, y, p=0: torch_conv(state, name, y, p)
  pooled = torch.nn.functional.avg_pool2d(
    x, 3, stride=1, padding=1, count_include_pad=False
  )
  five = conv("branch5x5_2", conv("branch5x5_1", x), 2)
  three = conv("branch3x3dbl_2", conv("branch3x3dbl_1", x), 1)
  three = conv("branch3x3dbl_3", three, 1)
  parts = [conv("branch1x1", x), five, three, conv("branch_pool", pooled)]
  return torch.cat(parts, 1)


def torch_block_b(state, x):
  import torch

  conv = lambda name, y, p=0, stride=1: torch_conv(state, name, y, p, stride)
  three = conv("branch3x3dbl_2", conv("branch3x3dbl_1", x), 1)
  three = conv("branch3x3dbl_3", three, 0, 2)
  pooled = torch.nn.functional.max_pool2d(x, 3, stride=2)
  return torch.cat([conv("branch3x3", x, 0, 2), three, pooled], 1)


def torch_block_c(state, x):
  import torch

  conv = lambda name, y, p=0: torch_conv(state, name, y, p)
  pooled = torch.nn.functional.avg_pool2d(
    x, 3, stride=1, padding=1, count_include_pad=False
  )
  wide, tall = (0, 3), (3, 0)
  one = conv("branch7x7_2", conv("branch7x7_1", x), wide)
  one = conv("branch7x7_3", one, tall)
  two = conv("branch7x7dbl_2", conv("branch7x7dbl_1", x), tall)
  two = conv("branch7x7dbl_4", conv("branch7x7dbl_3", two, wide), tall)
  two = conv("branch7x7dbl_5", two, wide)
  return torch.cat(
    [conv("branch1x1", x), one, two, conv("branch_pool", pooled)], 1
  )


def torch_block_d(state, x):
  import torch

  conv = lambda name, y, p=0, stride=1: torch_conv(state, name, y, p, stride)
  three = conv("branch3x3_2", conv("branch3x3_1", x), 0, 2)
  seven = conv("branch7x7x3_2", conv("branch7x7x3_1", x), (0, 3))
  seven = conv("branch7x7x3_4", conv("branch7x7x3_3", seven, (3, 0)), 0, 2)
  pooled = torch.nn.functional.max_pool2d(x, 3, stride=2)
  return torch.cat([three, seven, pooled], 1)


def torch_block_e(state, x, pool="max"):
  import torch

  conv = lambda name, y, p=0: torch_conv(state, name, y, p)
  if pool == "max":
    pooled = torch.nn.functional.max_pool2d(x, 3, stride=1, padding=1)
  else:
    pooled = torch.nn.functional.avg_pool2d(
      x, 3, stride=1, padding=1, count_include_pad=False
    )
  wide, tall = (0, 1), (1, 0)
  one = conv("branch3x3_1", x)
  one = [conv("branch3x3_2a", one, wide), conv("branch3x3_2b", one, tall)]
  two = conv("branch3x3dbl_2", conv("branch3x3dbl_1", x), 1)
  two = [conv("branch3x3dbl_3a", two, wide), conv("branch3x3dbl_3b", two, tall)]
  parts = [conv("branch1x1", x), *one, *two, conv("branch_pool", pooled)]
  return torch.cat(parts, 1)


def torch_inception(state, x, size):
  """The published table of layers, on (b, 3, h, w)."""
  import torch

  part = lambda name: {
    key.removeprefix(f"{name}."): value
    for key, value in state.items()
    if key.startswith(f"{name}.")
  }
  conv = lambda name, y, p=0, stride=1: torch_conv(state, name, y, p, stride)
  halve = lambda y: torch.nn.functional.max_pool2d(y, 3, stride=2)
  x = torch.nn.functional.interpolate(
    x, (size, size), mode="bilinear", align_corners=False
  )
  x = conv("Conv2d_2a_3x3", conv("Conv2d_1a_3x3", x, 0, 2))
  x = halve(conv("Conv2d_2b_3x3", x, 1))
  x = halve(conv("Conv2d_4a_3x3", conv("Conv2d_3b_1x1", x)))
  for name in ("Mixed_5b", "Mixed_5c", "Mixed_5d"):
    x = torch_block_a(part(name), x)
  x = torch_block_b(part("Mixed_6a"), x)
  for name in ("Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"):
    x = torch_block_c(part(name), x)
  x = torch_block_d(part("Mixed_7a"), x)
  x = torch_block_e(part("Mixed_7b"), x, "average")
  features = torch_block_e(part("Mixed_7c"), x, "max").mean((2, 3))
  # Without fc's bias, as in the published score.
  return features, features @ torch.tensor(state["fc.weight"]).T


def test_the_whole_net_is_torchs(monkeypatch):
  """At the smallest size that it takes, with weights that keep the scale."""
  torch = library("torch")
  monkeypatch.setattr(fid_inception, "SIZE", 75)
  model, coarse = FIDInception(), np.random.default_rng(1).random((2, 5, 4, 3))
  x = (2 * coarse - 1).repeat(8, 1).repeat(8, 2).astype(np.float32)
  shapes = jax.eval_shape(lambda: model.init(jax.random.key(0), x))["params"]
  state = {
    name: w * np.float32(11 * np.sqrt(2 / w[0].size)) if w.ndim > 1 else w
    for name, w in state_of(shapes).items()
  }
  params = from_tensors(state, shapes, "-")
  got = jax.jit(lambda p, x: model.apply({"params": p}, x))(params, x)
  images = torch.tensor(x).permute(0, 3, 1, 2)
  features, logits = torch_inception(state, images, 75)
  for name, expected in (("features", features), ("logits", logits)):
    expected = expected.numpy()
    # What the images do, and not what all have in common.
    spread = np.std(expected[0] - expected[1])
    assert spread > 0.01 * np.std(expected)
    assert np.abs(got[name] - expected).max() < 0.02 * spread, name


@pytest.mark.parametrize(
  ("branches", "oracle"),
  [(block_a(32), torch_block_a), (block_e("max"), torch_block_e)],
  ids=["a", "e"],
)
def test_a_block_is_torchs(branches, oracle):
  torch = library("torch")
  block, x = Block(branches), np.random.default_rng(1).normal(size=(1, 5, 6, 8))
  x = x.astype(np.float32)
  shapes = jax.eval_shape(lambda: block.init(jax.random.key(0), x))["params"]
  state = state_of(shapes)
  got = block.apply({"params": from_tensors(state, shapes, "-")}, x)
  expected = oracle(state, torch.tensor(x).permute(0, 3, 1, 2))
  np.testing.assert_allclose(
    got, expected.permute(0, 2, 3, 1).numpy(), rtol=1e-3, atol=1e-4
  )


# The file's fc.bias is not read.
SHAPES = {"fc": {"kernel": np.zeros((3, 2))}}


def save(tmp_path, state):
  from safetensors.numpy import save_file

  path = tmp_path / "inception.safetensors"
  save_file(state, path)
  return str(path)


def test_a_safetensors_file_is_read_but_not_called_published(tmp_path):
  state = state_of(SHAPES)
  got, published = read_inception(save(tmp_path, state), SHAPES)
  np.testing.assert_array_equal(got["fc"]["kernel"], state["fc.weight"].T)
  assert not published


def test_a_torch_file_of_the_right_hash_is_published(tmp_path, monkeypatch):
  torch = library("torch")
  state = {k: torch.tensor(v) for k, v in state_of(SHAPES).items()}
  path = tmp_path / "weights.pth"
  torch.save(state, path)
  digest = hashlib.sha256(path.read_bytes()).hexdigest()
  monkeypatch.setattr(generation_inception, "SHA256", digest[:8])
  got, published = read_inception(str(path), SHAPES)
  assert published
  np.testing.assert_array_equal(got["fc"]["kernel"], state["fc.weight"].T)
  assert "bias" not in got["fc"]


@pytest.mark.parametrize(
  ("change", "message"),
  [
    (lambda s: s.pop("fc.weight"), "fc.kernel is missing"),
    (lambda s: s.update(extra=np.zeros(1)), "extra is not part of it"),
    (
      lambda s: s.update({"fc.weight": np.zeros((2, 7))}),
      r"fc.kernel is \(7, 2\), expected \(3, 2\)",
    ),
  ],
)
def test_another_layout_is_an_error(tmp_path, change, message):
  state = state_of(SHAPES)
  change(state)
  with pytest.raises(ValueError, match=message):
    read_inception(save(tmp_path, state), SHAPES)


def test_a_wrong_file_is_an_error(tmp_path):
  with pytest.raises(ValueError, match="there is no file"):
    read_inception(str(tmp_path / "none.pth"), SHAPES)
  for name, message in (
    ("a.pth", "SHA-256 .* expected 6726825d"),
    ("a.safetensors", "cannot be read as safetensors"),
  ):
    (tmp_path / name).write_bytes(b"damaged")
    with pytest.raises(ValueError, match=message):
      read_inception(str(tmp_path / name), SHAPES)
  with pytest.raises(ValueError, match="there is no file"):
    extractors.inception(str(tmp_path / "none.pth"))


def test_a_file_in_the_data_folder_is_found_there(tmp_path, monkeypatch):
  (tmp_path / "a.pth").write_bytes(b"damaged")
  with pytest.raises(ValueError, match=f"{tmp_path}/a.pth has the SHA-256"):
    extractors.inception("a.pth", str(tmp_path))
  monkeypatch.setenv("VISION_JAX_DATA", str(tmp_path))
  with pytest.raises(ValueError, match=f"{tmp_path}/a.pth has the SHA-256"):
    extractors.inception("a.pth")
  with pytest.raises(ValueError, match=r"there is no file b\.pth"):
    extractors.inception("b.pth")
