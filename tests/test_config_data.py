"""What the configs make of folders of one's own data."""

import numpy as np
import pytest

from configs.data import IMAGENET, large_images
from tests.data_fixtures import encode, picture
from vision_jax.experiment import base_config


def put(root, *names):
  for name in names:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode(picture(8, 8)))


def folder_config(folder, **values):
  defaults = {
    "dataset": "folder",
    "data_dir": str(folder),
    "image_size": 32,
    "eval_batch_size": 2,
    "class_names": ("cat", "dog"),
  }
  return base_config(steps=1, batch_size=2, **(defaults | values))


@pytest.mark.parametrize(
  ("splits", "evaluated"),
  [
    (("",), {"val": 2}),
    (("Train",), {"val": 2}),
    (("train", "validation"), {"val": 20}),
    (("Training", "valid", "test"), {"val": 20, "test": 20}),
    (("train", "test"), {"val": 2, "test": 20}),
  ],
)
def test_every_split_of_a_folder_is_used_for_what_it_is(
  tmp_path, splits, evaluated
):
  for split in splits:
    for name in ("cat", "dog"):
      put(tmp_path / split / name, *(f"{i}.jpg" for i in range(10)))
  data = large_images(folder_config(tmp_path), IMAGENET)
  sizes = {name: len(e.data.source) for name, e in data.evals.items()}
  assert sizes.keys() == evaluated.keys()
  for name, size in evaluated.items():
    assert abs(sizes[name] - size) <= 1
  train = len(data.train_data.source)
  assert train == (20 if sizes["val"] == 20 else 20 - sizes["val"])
  batch = data.train_data.batch(0)
  assert np.isfinite(batch["image"]).all() and batch["label"].max() <= 1


def test_predicting_needs_no_training_data(tmp_path):
  assert large_images(folder_config(tmp_path / "gone"), IMAGENET).predict
