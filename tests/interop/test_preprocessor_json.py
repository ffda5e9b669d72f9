"""Images go through what a folder's preprocessor_config.json says."""

import json

import numpy as np
import pytest

import vision_jax
from tests.interop import parity
from tests.oracles import library, torchvision
from vision_jax.data.transforms.preprocess import Preprocess
from vision_jax.errors import UserError
from vision_jax.interop import preprocessor_json, published
from vision_jax.interop.config_json import class_names

GIVEN = Preprocess((224, 224), 256, "bicubic")
HALF = (0.5, 0.5, 0.5)
PAIR = {"height": 32, "width": 48}
SIZES = [
  ({}, ((224, 224), 256, "rounded")),
  ({"size": PAIR}, ((32, 48), 0, "rounded")),
  ({"size": 64}, ((64, 64), 0, "rounded")),
  ({"size": 64, "do_resize": False}, ((224, 224), 256, "rounded")),
  (
    {"size": {"height": 70, "width": 70}, "crop_size": PAIR},
    ((32, 48), 70, "squeezed"),
  ),
  ({"size": {"shortest_edge": 70}, "crop_size": PAIR}, ((32, 48), 70)),
  ({"size": 70, "crop_size": 64, "do_center_crop": True}, ((64, 64), 70)),
  (
    {"size": 70, "crop_size": 64, "do_center_crop": False},
    ((70, 70), 0, "rounded"),
  ),
  ({"size": 224, "crop_pct": 0.95}, ((224, 224), 235)),
  ({"size": {"shortest_edge": 224}, "crop_pct": None}, ((224, 224), 256)),
  ({"size": {"shortest_edge": 384}, "crop_pct": 0.875}, ((384, 384), 0)),
  (
    {"size": {"shortest_edge": 800, "longest_edge": 9}},
    ((224, 224), 256, "rounded"),
  ),
]


@pytest.mark.parametrize(("content", "expected"), SIZES)
def test_sizes(content, expected):
  found = preprocessor_json.read(content, GIVEN)
  assert (found.size, found.resize) == expected[:2]
  assert found.middle == (expected[2] if expected[2:] else "floored")
  assert found.mean == GIVEN.mean and found.interpolation == "bicubic"


def test_colours_and_interpolation():
  read = lambda **content: preprocessor_json.read(content, GIVEN)
  found = read(image_mean=[0.5] * 3, image_std=0.5, resample=2, size=64)
  assert (found.mean, found.std) == (HALF, HALF)
  assert (found.interpolation, found.largest) == ("bilinear", 1.0)
  assert read(do_normalize=False).std == (1.0, 1.0, 1.0)
  assert read(do_rescale=False).largest == 255
  assert read(rescale_factor=1 / 127.5).largest == pytest.approx(2)
  with pytest.raises(UserError, match="resample is 1"):
    read(resample=1, size=64)


def test_two_classes_of_one_name_keep_their_numbers():
  config = {"id2label": {"0": "crane", "1": "cat", "2": "crane"}}
  assert class_names(config) == ("crane (0)", "cat", "crane (2)")


@pytest.mark.parametrize(
  ("config", "match"),
  [
    (None, "--source=SOURCE:MODEL"),
    ({"architecture": "resnet18"}, "--source=timm:resnet18"),
    ({"model_type": "bert"}, "bert"),
  ],
)
def test_what_describes_no_net_is_an_error(config, match):
  with pytest.raises(UserError, match=match):
    published.find("huggingface", config)


@pytest.mark.slow
def test_images_are_those_of_transformers(tmp_path):
  torchvision()
  transformers = library("transformers")
  net = transformers.ConvNextForImageClassification(
    transformers.ConvNextConfig(depths=[1] * 4, hidden_sizes=[4] * 4)
  )
  parity.randomise(net).save_pretrained(tmp_path)
  processor = transformers.ConvNextImageProcessor(
    size={"shortest_edge": 64}, crop_pct=0.8, image_mean=[0.1, 0.2, 0.3]
  )
  processor.save_pretrained(tmp_path)
  assert json.loads((tmp_path / "preprocessor_config.json").read_text())
  model, _ = vision_jax.load(tmp_path, "huggingface")
  image = library("sklearn.datasets").load_sample_image("flower.jpg")
  image = image[:420, :500]
  theirs = processor(image, return_tensors="np")["pixel_values"]
  ours = vision_jax.preprocess(model, image)
  np.testing.assert_allclose(
    ours, theirs.transpose(0, 2, 3, 1), atol=1 / 255 / 0.2
  )
