"""Names by which metrics and predictions tell classes apart."""

import numpy as np
import pytest

from vision_jax.data.errors import DataError
from vision_jax.errors import UserError
from vision_jax.experiment import Predict
from vision_jax.metrics.coco import BoxTable, coco_ap
from vision_jax.metrics.decisions import ConfusionMatrix
from vision_jax.metrics.detection import AveragePrecision
from vision_jax.metrics.segmentation import Segmentation
from vision_jax.metrics.voc import voc_ap
from vision_jax.recipe import recipe

NONE = BoxTable(np.zeros(0, int), np.zeros(0, int), np.zeros((0, 4)))


@pytest.mark.parametrize(
  "make",
  [
    lambda names: AveragePrecision(names),
    lambda names: Segmentation(3, class_names=names),
    lambda names: ConfusionMatrix(names),
    lambda names: Predict([], names),
    lambda names: coco_ap(NONE, NONE, [0], names),
    lambda names: voc_ap(NONE, NONE, names),
  ],
)
def test_names_are_all_different_and_say_something(make):
  """Else one class's metric or share takes the place of another's."""
  with pytest.raises(UserError, match="has 'cell' more than once"):
    make(("cell", "cat", "cell"))
  with pytest.raises(UserError, match="name of class 1 is empty"):
    make(("cell", " ", "cat"))


def test_generated_scenes_have_their_own_names():
  config = "configs/detection/digit_scenes_detr.py:tiny"
  for names in ("9,8,7,6,5,4,3,2,1,0", "0,1", ""):
    with pytest.raises(UserError, match=r"class_names: got .*scenes of digits"):
      recipe.load(config, {"class_names": names}).build()


def test_a_label_that_is_no_class_reaches_no_loss():
  loaded = recipe.load("configs/detection/digit_scenes_detr.py:tiny")
  loader = loaded.build().train_data
  assert loader.num_classes == 10
  loader.batch(0)
  labels = loader.source.gather(np.arange(1))["label"]
  loader.num_classes = int(labels.max())
  with pytest.raises(DataError, match="label: got"):
    for step in range(4):
      loader.batch(step)
