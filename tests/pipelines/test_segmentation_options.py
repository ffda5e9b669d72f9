"""Choices of every config of segmentation, by its values."""

import pathlib
import re

import numpy as np
import pytest

from tests.data_fixtures import encode, random_image
from vision_jax.errors import UserError
from vision_jax.ops.views import Views
from vision_jax.pipelines.sources.masks import MaskData
from vision_jax.recipe import recipe

ROOT = pathlib.Path(__file__).resolve().parents[2]
PATHS = sorted(
  str(path.relative_to(ROOT))
  for path in (ROOT / "configs" / "segmentation").glob("*.py")
  if path.name != "__init__.py"
)


def takes_masks_of_any_kind(path):
  """Whether a config is a `segmentation_config`, by keys of its data."""
  keys = recipe.load(path, resolve=False).config
  return "mask_values" in keys and "ignore_values" in keys


CONFIGS = [path for path in PATHS if takes_masks_of_any_kind(path)]
UNET = "configs/segmentation/digit_scenes_unet.py:tiny"
CHOSEN = {
  "loss": "ohem,lovasz",
  "loss_weights": "1,0.5",
  "ohem_share": "0.25",
  "tta_scales": "0.75,1",
  "tta_flip": "true",
  "boundary_pixels": "2",
  "trimap_pixels": "5",
}


def test_there_are_configs():
  assert len(CONFIGS) >= 6


@pytest.mark.parametrize("path", CONFIGS)
def test_every_config_has_them(path):
  built = recipe.load(f"{path}:tiny", CHOSEN).build()
  task = built.task
  assert dict(task.terms) == {"ohem": 1.0, "lovasz": 0.5}
  assert task.ohem_share == 0.25
  assert task.views == Views((0.75, 1.0), flip=True)
  for data in built.evals.values():
    names = data.metrics["segmentation"].names
    assert {"boundary_f1", "trimap_miou"} <= set(names)


@pytest.mark.parametrize(
  ("values", "message"),
  [
    ({"loss": "lovas"}, "--config.loss: got 'lovas'; did you mean 'lovasz'?"),
    ({"loss": "ohem,ohem"}, "--config.loss: got ohem,ohem; expected some of"),
    ({"loss": ""}, "--config.loss: got none; expected some of cross_entropy"),
    ({"loss_weights": "1,2"}, "loss_weights: got 2 for --config.loss=cross_en"),
    ({"ohem_threshold": "2"}, "--config.ohem_threshold: got 2.0; expected 0"),
    ({"tta_scales": "1,0"}, "--config.tta_scales: got (1, 0); expected more"),
    ({"tta_scale": "1"}, "tta_scale: no such key; did you mean --config.tta_"),
    ({"balance_by": "share"}, "balance_by: got 'share'; expected median_freq"),
    ({"boundary_pixels": "-1"}, "boundary_pixels: got -1; expected 0 or more"),
  ],
)
def test_what_cannot_be_is_named(values, message):
  with pytest.raises(UserError, match=re.escape(message)):
    recipe.load(UNET, values).build()


def folder(tmp_path, mask=(12, 10)):
  """Two images of 12 x 10, and masks."""
  for part in ("images", "masks"):
    (tmp_path / part).mkdir()
  for i in range(2):
    pixels = encode(random_image(12, 10, seed=i), "PNG")
    (tmp_path / "images" / f"{i}.png").write_bytes(pixels)
    target = np.zeros(mask, np.uint8)
    target[:3] = 1
    (tmp_path / "masks" / f"{i}.png").write_bytes(encode(target, "PNG"))
  return {x: str(tmp_path / x) for x in ("images", "masks")}


def test_weights_by_effective_number_of_a_folder(tmp_path):
  data = MaskData("folder", ("ground", "top"), **folder(tmp_path))
  got = data.balanced_weights("effective_number", 0.99)
  each = 1 / (1 - 0.99 ** np.array([180, 60]))
  np.testing.assert_allclose(got, 2 * each / each.sum(), atol=1e-4)


def test_a_mask_of_another_size_than_its_image_is_named(tmp_path):
  values = folder(tmp_path, mask=(11, 10))
  path = "configs/segmentation/folder_unet.py"
  with pytest.raises(ValueError, match=r"mask .*png: is 11x10 .*image 12x10"):
    recipe.load(path, values).build().train_data.batch(0)
