"""What the configs make of folders of one's own data."""

import numpy as np
import pytest

from tests.data_fixtures import encode, random_image
from vision_jax.data.transforms.base import apply_all
from vision_jax.errors import UserError
from vision_jax.recipe import recipe

FOLDER = "configs/classification/folder_resnet18.py"


def put(root, *names):
  for name in names:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode(random_image(8, 8)))


def of_folder(folder, variant="full", **values):
  """The experiment of a folder of classes, which need not be there."""
  small = {"image_size": "32", "batch_size": "2", "eval_batch_size": "2"}
  values = {"data_dir": str(folder), "class_names": "cat,dog"} | small | values
  return recipe.load(f"{FOLDER}:{variant}", values, resolve=False).build()


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
  data = of_folder(tmp_path)
  sizes = {name: len(e.data.source) for name, e in data.evals.items()}
  assert sizes.keys() == evaluated.keys()
  for name, size in evaluated.items():
    assert abs(sizes[name] - size) <= 1
  train = len(data.train_data.source)
  assert train == (20 if sizes["val"] == 20 else 20 - sizes["val"])
  batch = data.train_data.batch(0)
  assert np.isfinite(batch["image"]).all() and batch["label"].max() <= 1


def test_bits_are_kept_in_training_evaluation_and_prediction(tmp_path):
  for name in ("cat", "dog"):
    put(tmp_path / name, *(f"{i}.jpg" for i in range(10)))
  data = of_folder(tmp_path, bits="16")
  assert data.train_data.batch(0)["image"].dtype == np.uint16
  assert next(data.evals["val"].data.epoch())["image"].dtype == np.uint16
  assert decoded(data.predict) == np.uint16
  assert decoded(of_folder(tmp_path).predict) == np.uint8


def decoded(predict):
  example = {"name": "x", "image": encode(random_image(8, 8))}
  return apply_all(predict.transforms, example, None)["image"].dtype


def test_predicting_needs_no_training_data(tmp_path):
  assert of_folder(tmp_path / "gone").predict.class_names == ("cat", "dog")


def test_a_tiny_variant_says_that_it_leaves_ones_own_images_out(caplog):
  of_folder("/my/cats", "tiny")
  assert "--config.data_dir=/my/cats: not used" in caplog.messages[-1]
  assert "scikit-learn's digits" in caplog.messages[-1]
  before = len(caplog.messages)
  of_folder("", "tiny")
  assert len(caplog.messages) == before


def test_digits_are_not_made_smaller_than_they_are():
  """Of 7 pixels they would be black."""
  data = of_folder("", "tiny", image_size="7")
  with pytest.raises(UserError, match=r"image_size: got 7; expected 8 or more"):
    data.train_data.batch(0)
