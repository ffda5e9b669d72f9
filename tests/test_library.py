"""What a notebook may give `load` and `preprocess`."""

import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import save_file

import vision_jax
from tests.interop.published_files import write_resnet18
from tests.oracles import library
from vision_jax.errors import UserError
from vision_jax.metrics.classification import Accuracy
from vision_jax.metrics.neighbours import NearestNeighbours


@pytest.fixture(scope="module")
def model(tmp_path_factory):
  file = tmp_path_factory.mktemp("published") / "resnet18.safetensors"
  write_resnet18(file)
  return vision_jax.load(file, "torchvision:resnet18")[0]


def test_images_of_all_kinds(model):
  see = lambda images: np.asarray(vision_jax.preprocess(model, images))
  rng = np.random.default_rng(0)
  pixels = rng.integers(0, 256, (230, 240, 3)).astype(np.uint8)
  whole = see(pixels)
  assert whole.shape == (1, 224, 224, 3)
  np.testing.assert_allclose(see(pixels / 255), whole, atol=0.05)
  np.testing.assert_array_equal(see([pixels, pixels])[1:], whole)
  np.testing.assert_array_equal(see(pixels * np.uint16(257)), whole)
  np.testing.assert_array_equal(see(jnp.asarray(pixels)[None]), whole)
  grey = pixels[..., 0]
  np.testing.assert_array_equal(
    see(grey), see(np.stack([grey, grey, grey], -1))
  )


def test_what_is_no_image(model):
  pillow = library("PIL.Image").new("RGB", (9, 9))
  pixels = np.zeros((9, 9, 3))
  for image, match in (
    ([], "no images"),
    (None, "NoneType|object"),
    (pillow, "np.asarray"),
    ([pillow], "np.asarray"),
    ("/none/x.png", "No such file"),
    (pixels + 255, "float64"),
    (pixels.astype(np.int64), "int64"),
    (pixels[:0], r"\(0, 9, 3\)"),
    (np.zeros((9, 9, 4), np.uint8), "4 channels"),
  ):
    with pytest.raises(UserError, match=match):
      vision_jax.preprocess(model, image)


def test_a_file_without_its_source(tmp_path):
  file = tmp_path / "x.safetensors"
  with pytest.raises(UserError, match="torchvision:resnet50"):
    vision_jax.load(file)
  write_resnet18(file, width=4)
  with pytest.raises(UserError, match="--source=SOURCE:MODEL"):
    vision_jax.load(file, "huggingface")


def test_a_net_of_images_of_any_size(tmp_path):
  file = tmp_path / "x.safetensors"
  save_file({"x": np.zeros(2, np.float32)}, file)
  with pytest.raises(UserError, match="not there: "):
    vision_jax.load(file, "imdn:imdn_rtc")


def test_metrics_of_arrays():
  logits = np.eye(4)[[0, 1, 2, 2]]
  truth = {"label": [0, 1, 2, 3]}
  found = vision_jax.measure(Accuracy(), {"logits": logits}, truth)
  assert found == {"accuracy": 0.75}
  some = {**truth, "mask": [1, 1, 0, 1]}
  found = vision_jax.measure(Accuracy(), {"logits": logits}, some)
  assert found["accuracy"] == pytest.approx(2 / 3)
  with pytest.raises(UserError, match="reference data set"):
    vision_jax.measure(NearestNeighbours(4), {}, truth)
