"""Digit scenes: pure, disjoint, and true to the last pixel."""

import numpy as np
import pytest
from scipy import ndimage

from vision_jax.data.errors import DataError
from vision_jax.data.loader import Loader
from vision_jax.data.sources.digits import Digits
from vision_jax.data.sources.scenes import DigitScenes

SCENES = DigitScenes("train", 60, max_objects=4, numbered=True)


@pytest.fixture(scope="module")
def examples():
  return SCENES.read(np.arange(60))


def test_shapes(examples):
  batch = Loader(SCENES, (), 16).batch(0)
  shapes = {k: (x.shape[1:], str(x.dtype)) for k, x in batch.items()}
  assert shapes == {
    "image": ((64, 64, 3), "uint8"),
    "target": ((64, 64), "uint8"),
    "instances": ((64, 64), "int32"),
    "boxes": ((4, 4), "float32"),
    "label": ((4,), "int32"),
    "box_mask": ((4,), "float32"),
    "mask": ((), "float32"),
    "index": ((), "int32"),
  }
  counts = {int(x["box_mask"].sum()) for x in examples}
  assert counts == {1, 2, 3, 4}


def corners(box):
  x, y, w, h = box * 64
  return [x - w / 2, y - h / 2, x + w / 2, y + h / 2]


def test_boxes_are_tight_around_the_target(examples):
  for example in examples:
    outside = example["target"].copy()
    for box, label, real in zip(
      example["boxes"], example["label"], example["box_mask"], strict=True
    ):
      if not real:
        assert not box.any() and label == 0
        continue
      left, top, right, bottom = corners(box)
      assert [left, top, right, bottom] == [
        round(x) for x in (left, top, right, bottom)
      ]
      where = np.s_[round(top) : round(bottom), round(left) : round(right)]
      digit = example["target"][where]
      assert set(np.unique(digit)) <= {0, label + 1}
      for edge in (digit[0], digit[-1], digit[:, 0], digit[:, -1]):
        assert edge.any(), "a box touches its digit on every side"
      outside[where] = 0
    assert not outside.any(), "nothing is drawn outside the boxes"


def test_only_the_target_is_drawn(examples):
  """Digits differ from the background, which nothing else breaks."""
  for example in examples:
    image = example["image"].astype(float)
    blurred = ndimage.uniform_filter(image, (5, 5, 0))
    rough = np.abs(image - blurred).mean(-1)
    near = ndimage.binary_dilation(example["target"] > 0, iterations=3)
    assert rough[~near].mean() < 12
    edge = near & ~ndimage.binary_erosion(example["target"] > 0)
    assert rough[edge].mean() > rough[~near].mean()


def test_a_scene_is_pure_in_seed_split_and_index(examples):
  again = DigitScenes("train", 100, max_objects=4, numbered=True).read(
    np.array([41, 3])
  )
  for key in ("image", "boxes", "label", "target"):
    np.testing.assert_array_equal(again[0][key], examples[41][key])
  others = (
    DigitScenes("train", 60, max_objects=4, seed=1),
    DigitScenes("test", 60, max_objects=4),
  )
  for other in others:
    assert (other.read([3])[0]["image"] != examples[3]["image"]).any()
    assert other.fingerprint() != SCENES.fingerprint()


def test_train_and_test_draw_from_disjoint_digits():
  for split in ("train", "test"):
    drawn = DigitScenes(split).digits["image"]
    np.testing.assert_array_equal(drawn, Digits(split).arrays["image"])


@pytest.mark.parametrize("size", [16, 32, 96])
def test_other_sizes(size):
  example = DigitScenes("test", 5, size=size, max_objects=9).read([0])[0]
  assert example["image"].shape == (size, size, 3)
  assert example["box_mask"].sum() >= 1 and example["boxes"].shape == (9, 4)


def test_errors():
  with pytest.raises(DataError, match="split 'val'"):
    DigitScenes("val")
  with pytest.raises(DataError, match="size 8"):
    DigitScenes("train", size=8)
