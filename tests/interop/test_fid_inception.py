"""FID's Inception: its size, its odd pools, and reading a user's file.

The weights themselves are not here: what is tested is that a file of the
published layout gives the numbers that torch gives.
"""

import hashlib

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.oracles import library, torchvision
from vision_jax.errors import UserError
from vision_jax.interop import leaves
from vision_jax.interop.convert import convert
from vision_jax.interop.families import fid_inception as family
from vision_jax.interop.tensors import Tensor
from vision_jax.models.backbones import fid_inception
from vision_jax.models.backbones.fid_inception import (
  Block,
  FIDInception,
  block_a,
  block_e,
)
from vision_jax.pipelines import extractors, inception_file
from vision_jax.pipelines.inception_file import read_inception


def test_it_has_inceptions_size():
  model = FIDInception()
  x = jnp.zeros((1, 299, 299, 3))
  shapes = jax.eval_shape(lambda: model.init(jax.random.key(0), x))["params"]
  paths = jax.tree_util.tree_leaves_with_path(shapes)
  moments = [x.size for p, x in paths if p[-1].key in ("mean", "var")]
  total = sum(x.size for _, x in paths) - sum(moments)
  # torchvision's 27,161,264 less its auxiliary head's 3,326,696, and 1008
  # classes for 1000, without a bias.
  assert total == 27_161_264 - 3_326_696 + 8 * 2049 - 1008
  assert len(shapes) == 5 + 11 + 1


def named(module, seed=0):
  """A torch state of random arrays under the names of a torch module.

  torchvision's Inception has the names of the published file.
  """
  rng = np.random.default_rng(seed)
  state = {}
  for name, value in module.state_dict().items():
    if name.endswith("num_batches_tracked"):
      continue
    x = rng.normal(size=value.shape).astype(np.float32) / 8
    positive = name.endswith(("running_var", "bn.weight"))
    state[name] = np.abs(x) + 0.5 if positive else x
  return state


def variables(state, model, *inputs):
  shapes = leaves.shapes(leaves.abstract(model, *inputs))
  tensors = {name: Tensor.of(x) for name, x in state.items()}
  rules = family.pytorch_fid(shapes)
  return leaves.read(convert(tensors, rules, shapes, where="-"))


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


@pytest.mark.slow
def test_the_whole_net_is_torchs(monkeypatch):
  """At the smallest size that it takes, with weights that keep the scale."""
  torch, inception = library("torch"), torchvision().models.inception
  monkeypatch.setattr(fid_inception, "SIZE", 75)
  model, coarse = FIDInception(), np.random.default_rng(1).random((2, 5, 4, 3))
  x = (2 * coarse - 1).repeat(8, 1).repeat(8, 2).astype(np.float32)
  module = inception.Inception3(1008, aux_logits=False, init_weights=False)
  state = {
    name: w * np.float32(11 * np.sqrt(2 / w[0].size)) if w.ndim > 1 else w
    for name, w in named(module).items()
  }
  given = variables(state, model, x)
  got = jax.jit(model.apply)(given, x)
  images = torch.tensor(x).permute(0, 3, 1, 2)
  features, logits = torch_inception(state, images, 75)
  for name, expected in (("features", features), ("logits", logits)):
    expected = expected.numpy()
    # What the images do, and not what all have in common.
    spread = np.std(expected[0] - expected[1])
    assert spread > 0.01 * np.std(expected)
    assert np.abs(got[name] - expected).max() < 0.02 * spread, name


class One(nn.Module):
  """A block by itself, under a name that the published net has."""

  branches: tuple

  @nn.compact
  def __call__(self, x, *, train=False):
    return Block(self.branches, name="Mixed_5b")(x)


@pytest.mark.parametrize(
  ("branches", "block", "oracle"),
  [
    pytest.param(
      *(block_a(32), lambda i: i.InceptionA(8, 32), torch_block_a),
      marks=pytest.mark.slow,
    ),
    pytest.param(
      *(block_e("max"), lambda i: i.InceptionE(8), torch_block_e),
      marks=pytest.mark.slow,
    ),
  ],
  ids=["a", "e"],
)
def test_a_block_is_torchs(branches, block, oracle):
  torch, inception = library("torch"), torchvision().models.inception
  model, x = One(branches), np.random.default_rng(1).normal(size=(1, 5, 6, 8))
  x = x.astype(np.float32)
  state = named(block(inception))
  inside = {f"Mixed_5b.{name}": value for name, value in state.items()}
  got = model.apply(variables(inside, model, x), x)
  expected = oracle(state, torch.tensor(x).permute(0, 3, 1, 2))
  np.testing.assert_allclose(
    got, expected.permute(0, 2, 3, 1).numpy(), rtol=1e-3, atol=1e-4
  )


# A part of the net: the file's fc.bias is not read.
NET = {"params": {"fc": {"kernel": np.zeros((3, 2))}}}
STATE = {
  "fc.weight": np.arange(6, dtype=np.float32).reshape(2, 3),
  "fc.bias": np.ones(2, np.float32),
}


def save(tmp_path, state):
  from safetensors.numpy import save_file

  path = tmp_path / "inception.safetensors"
  save_file(state, path)
  return str(path)


def test_a_safetensors_file_is_read_but_not_called_published(tmp_path):
  got, published = read_inception(save(tmp_path, STATE), NET)
  kernel = got["params"]["fc"]["kernel"]
  np.testing.assert_array_equal(kernel, STATE["fc.weight"].T)
  assert not published


def test_a_torch_file_of_the_right_hash_is_published(tmp_path, monkeypatch):
  torch = library("torch")
  state = {k: torch.tensor(v) for k, v in STATE.items()}
  path = tmp_path / "weights.pth"
  torch.save(state, path)
  digest = hashlib.sha256(path.read_bytes()).hexdigest()
  monkeypatch.setattr(inception_file, "SHA256", digest[:8])
  got, published = read_inception(str(path), NET)
  assert published
  kernel = got["params"]["fc"]["kernel"]
  np.testing.assert_array_equal(kernel, STATE["fc.weight"].T)


@pytest.mark.parametrize(
  ("change", "message"),
  [
    (lambda s: s.pop("fc.weight"), "not there: params/fc/kernel"),
    (lambda s: s.update(extra=np.zeros(1)), "not of this net: extra"),
    (
      lambda s: s.update({"fc.weight": np.zeros((2, 7))}),
      r"fc/kernel has shape \(7, 2\) there, expected \(3, 2\)",
    ),
  ],
)
def test_another_layout_is_an_error(tmp_path, change, message):
  state = dict(STATE)
  change(state)
  with pytest.raises(UserError, match=f"{message}.*pytorch-fid's file"):
    read_inception(save(tmp_path, state), NET)


def test_a_wrong_file_is_an_error(tmp_path):
  with pytest.raises(ValueError, match="there is no file"):
    read_inception(str(tmp_path / "none.pth"), NET)
  for name, message in (
    ("a.pth", "SHA-256 .* expected 6726825d"),
    ("a.safetensors", "header"),
  ):
    (tmp_path / name).write_bytes(b"damaged")
    with pytest.raises(ValueError, match=message):
      read_inception(str(tmp_path / name), NET)
  with pytest.raises(ValueError, match="there is no file"):
    extractors.inception(str(tmp_path / "none.pth"))


def test_a_file_in_the_data_folder_is_found_there(tmp_path, monkeypatch):
  (tmp_path / "a.pth").write_bytes(b"damaged")
  with pytest.raises(ValueError, match=f"{tmp_path}/a.pth: it has the SHA-256"):
    extractors.inception("a.pth", str(tmp_path))
  monkeypatch.setenv("VISION_JAX_DATA", str(tmp_path))
  with pytest.raises(ValueError, match=f"{tmp_path}/a.pth: it has the SHA-256"):
    extractors.inception("a.pth")
  with pytest.raises(ValueError, match=r"there is no file b\.pth"):
    extractors.inception("b.pth")
