"""DDPM's U-Net of others: diffusers' names, settings and outputs."""

import numpy as np
import pytest

from tests.interop import parity
from tests.oracles import library, torchvision
from vision_jax.errors import UserError
from vision_jax.interop import convert, leaves, published
from vision_jax.interop.families import ddpm as family

CONFIG = {
  "_class_name": "UNet2DModel",
  "act_fn": "silu",
  "attention_head_dim": None,
  "block_out_channels": [8, 16, 16],
  "down_block_types": ["DownBlock2D", "AttnDownBlock2D", "DownBlock2D"],
  "up_block_types": ["UpBlock2D", "AttnUpBlock2D", "UpBlock2D"],
  "downsample_padding": 0,
  "flip_sin_to_cos": False,
  "freq_shift": 1,
  "in_channels": 3,
  "layers_per_block": 1,
  "mid_block_scale_factor": 1,
  "norm_eps": 1e-6,
  "norm_num_groups": 4,
  "out_channels": 3,
  "sample_size": 16,
}
# What files from before 2023 call the parts of attention.
OLD = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}


@pytest.mark.slow
@pytest.mark.parametrize("width", [None, 8])
def test_diffusers(width):
  torchvision()
  torch, diffusers = library("torch"), library("diffusers")
  config = CONFIG | {"attention_head_dim": width}
  theirs = diffusers.UNet2DModel.from_config(config)
  parity.randomise(theirs)
  _, net = published.find("", config)
  model, x = net.model(), parity.images(2, 16, 16, 3)
  assert model.heads == (2 if width else 1)
  times = np.asarray([3, 700], np.float32)
  given = parity.variables(theirs, family.diffusers, model, x, times)
  with torch.no_grad():
    want = theirs(parity.nchw(x), torch.tensor(times)).sample
  got = model.apply(given, x, times, train=False)
  parity.same(got, want.permute(0, 2, 3, 1))
  state = parity.tensors(theirs)
  for new, old in OLD.items():
    state = {name.replace(new, old): x for name, x in state.items()}
  shapes = leaves.shapes(given)
  rules = family.diffusers(shapes)
  convert.convert(state, rules, shapes, where="an old file")


def test_published_is_cifars():
  layout, net = published.find("diffusers:google/ddpm-cifar10-32")
  assert layout is family.diffusers and net.task == "diffusion"
  config = CONFIG | {
    "block_out_channels": [128, 256, 256, 256],
    "layers_per_block": 2,
    "norm_num_groups": 32,
    "sample_size": 32,
    "dropout": 0.1,
  }
  for way in ("down", "up"):
    kinds = CONFIG[f"{way}_block_types"]
    plain = [way.capitalize() + "Block2D"]
    config[f"{way}_block_types"] = [
      *plain * (way == "up"), *kinds, *plain * (way == "down")
    ]  # fmt: skip
  assert published.find("", config)[1].model() == net.model()


@pytest.mark.parametrize(
  ("change", "message"),
  [
    ({"freq_shift": None}, "freq_shift is None"),
    ({"norm_eps": 1e-5}, "norm_eps is 1e-05.*expected 1e-06"),
    ({"block_out_channels": [8, 12, 16]}, "expected multiples of the first"),
    ({"attention_head_dim": 4, "block_out_channels": [8, 8, 16]}, "heads"),
    ({"up_block_types": ["AttnUpBlock2D"] * 3}, "same resolutions"),
  ],
)
def test_a_config_of_another_net_is_refused(change, message):
  with pytest.raises(UserError, match=message):
    published.find("", CONFIG | change)


def test_a_setting_that_is_left_out_has_diffusers_default():
  config = {k: v for k, v in CONFIG.items() if k != "flip_sin_to_cos"}
  with pytest.raises(UserError, match="flip_sin_to_cos is True"):
    published.find("", config)
