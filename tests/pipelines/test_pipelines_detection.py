"""Detection's pipeline: sources with boxes in, padded batches out."""

import jax
import numpy as np
import pytest

from tests.data_fixtures import encode, random_image
from vision_jax.errors import UserError
from vision_jax.metrics.detection import AveragePrecision
from vision_jax.pipelines.data import Loading
from vision_jax.pipelines.detection import box_augment, detection
from vision_jax.pipelines.sources.boxes import BoxData
from vision_jax.pipelines.sources.stand_ins import DIGITS

NAMES = ("cat", "dog")


class Boxed:
  """A source of one's own: encoded images of 20 x 40, two boxes each."""

  def __len__(self):
    return 4

  def fingerprint(self):
    return "boxed"

  def read(self, indices):
    return [
      {
        "name": str(i),
        "image": encode(random_image(20, 40, seed=int(i)), "PNG"),
        "boxes": np.full((2, 4), 0.5, np.float32),
        "label": np.array([0, 1], np.int32),
        "size": np.array([20, 40], np.int32),
        "area": np.array([3.0, 4.0], np.float32),
      }
      for i in indices
    ]


def pipeline(train, evals, names=NAMES, **options):
  given = {
    "image_size": (16, 16),
    "max_boxes": 3,
    "loading": Loading(2, 4),
    "metrics": {"ap": AveragePrecision(NAMES)},
  }
  return detection(
    train=train, evals=evals, class_names=names, **given | options
  )


@pytest.mark.parametrize("in_memory", [True, False])
def test_a_source_of_ones_own_is_decoded_fitted_and_padded(in_memory):
  made = pipeline(
    Boxed(), {"val": Boxed()}, letterbox=True, in_memory=in_memory
  )
  batch = made.train_data.batch(0)
  assert batch["image"].shape == (2, 16, 16, 3)
  assert batch["image"].dtype == np.uint8
  assert batch["image_mask"].sum((1, 2)).tolist() == [128.0, 128.0]
  assert batch["box_mask"].tolist() == [[1, 1, 0]] * 2
  assert batch["boxes"].shape == (2, 3, 4)
  assert not {"size", "area", "name"} & {*batch}
  truth = next(made.evals["val"].data.epoch())
  assert truth["index"].tolist() == [0, 1, 2, 3]
  assert truth["size"].tolist() == [[20, 40]] * 4
  assert truth["area"].tolist() == [[3, 4, 0]] * 4


@pytest.mark.parametrize("in_memory", [True, False])
def test_mosaics_are_of_training_alone(in_memory):
  options = {"mosaic": 1.0, "in_memory": in_memory, "loading": Loading(4, 4)}
  made, again = (
    pipeline(Boxed(), {"val": Boxed()}, **options) for _ in range(2)
  )
  batch = made.train_data.batch(3)
  assert batch["image"].shape == (4, 16, 16, 3)
  assert batch["boxes"].shape == (4, 12, 4)
  assert batch["box_mask"].sum(1).min() >= 2
  real = batch["boxes"][batch["box_mask"] > 0]
  assert (real[:, :2] - real[:, 2:] / 2 > -1e-6).all()
  assert (real[:, :2] + real[:, 2:] / 2 < 1 + 1e-6).all()
  for name, value in again.train_data.batch(3).items():
    np.testing.assert_array_equal(value, batch[name])
  truth = next(made.evals["val"].data.epoch())
  assert truth["boxes"].shape == (4, 3, 4)
  with pytest.raises(UserError, match=r"--config\.mosaic: got 1\.0 with let"):
    pipeline(Boxed(), {}, letterbox=True, mosaic=1.0)


def test_bits_are_kept_where_they_are_asked_for():
  made = pipeline(Boxed(), {"val": Boxed()}, loading=Loading(2, 4, bits=16))
  assert made.train_data.batch(0)["image"].dtype == np.uint16
  assert next(made.evals["val"].data.epoch())["image"].dtype == np.uint16


def test_examples_with_padded_boxes_are_taken_as_they_are():
  data = BoxData(
    *("scenes", ("train", "val", "test"), DIGITS),
    scenes=(4, 0, 2),
    image_size=(32, 32),
    max_boxes=5,
  )
  made = pipeline(data.train, data.evals, DIGITS, letterbox=True)
  batch = next(made.evals["test"].data.epoch())
  expected = data.evals["test"].read(np.arange(2))
  for key in ("image", "boxes", "box_mask", "label"):
    np.testing.assert_array_equal(
      batch[key][:2], [example[key] for example in expected], err_msg=key
    )
  assert "target" not in batch and "image_mask" not in batch


def test_labels_have_to_be_of_the_classes():
  made = pipeline(Boxed(), {}, names=("cat",))
  with pytest.raises(ValueError, match="label: got 1"):
    made.train_data.batch(0)
  with pytest.raises(UserError, match=r"--config\.class_names"):
    pipeline(Boxed(), {}, names=("cat", "cat"), metrics={})


def test_scenes_say_that_they_leave_ones_own_boxes_out(caplog):
  given = {"class_names": DIGITS, "scenes": (2, 0, 1), "image_size": (32, 32)}
  assert BoxData("scenes", **given, data_dir="/my/boxes").train
  assert "--config.data_dir=/my/boxes: not used" in caplog.messages[-1]
  with pytest.raises(UserError, match="for scenes of digits"):
    BoxData("scenes", **given | {"class_names": NAMES}).open("train")


@pytest.mark.parametrize("name", ["yolo", "tfd/voc", ""])
def test_an_unknown_data_set_is_refused_with_those_there_are(name):
  with pytest.raises(UserError, match="expected folder, voc, coco, scenes"):
    BoxData(name, class_names=NAMES).open("train")


def test_nothing_to_augment_is_no_augmentation():
  assert box_augment() is None
  made = box_augment(crop=(0.5, 1.0), flip=0.5, jitter=0.1)
  batch = {
    "image": np.ones((2, 8, 8, 3), np.float32),
    "boxes": np.full((2, 3, 4), 0.5, np.float32),
    "box_mask": np.ones((2, 3), np.float32),
    "index": np.arange(2),
  }
  shapes = jax.eval_shape(made, batch, jax.random.key(0))
  assert {k: x.shape for k, x in shapes.items()} == {
    k: x.shape for k, x in batch.items()
  }
