"""Parts of a source by class: renumbered labels, a few examples of each."""

import numpy as np
import pytest

from vision_jax.data.classes import draw_shots, few_shots, of_classes
from vision_jax.data.errors import DataError
from vision_jax.data.source import read
from vision_jax.data.sources.arrays import ArraySource
from vision_jax.pipelines.sources.labels import LabelData

NAMES = ("ant", "bee", "cow", "dog")
LABELS = np.array([3, 0, 1, 2, 1, 3, 3, 0], np.int32)


def source():
  image = np.arange(8, dtype=np.uint8)[:, None, None, None]
  return ArraySource({"image": image, "label": LABELS}, 4, NAMES)


class OneByOne:
  """The same, read one by one."""

  class_names, num_classes = NAMES, 4

  def __len__(self):
    return 8

  def labels(self):
    return LABELS

  def fingerprint(self):
    return "x"

  def read(self, indices):
    return read(source(), indices)


@pytest.mark.parametrize("make", [source, OneByOne])
def test_classes_are_labelled_in_the_order_asked_for(make):
  part = of_classes(make(), ("dog", "bee"), NAMES)
  assert len(part) == 5 and part.num_classes == 2
  assert part.class_names == ("dog", "bee")
  np.testing.assert_array_equal(part.labels(), [0, 1, 1, 0, 0])
  got = read(part, np.arange(5))
  assert [int(x["image"].squeeze()) for x in got] == [0, 2, 4, 5, 6]
  assert [int(x["label"]) for x in got] == [0, 1, 1, 0, 0]
  assert got[0]["label"].dtype == np.int32
  other = of_classes(make(), ("bee", "dog"), NAMES)
  assert part.fingerprint() != other.fingerprint()


def test_class_that_is_not_there_is_named_with_the_nearest():
  with pytest.raises(DataError, match=r"'dgo'.*nearest is 'dog'"):
    of_classes(source(), ("dgo",), NAMES)
  with pytest.raises(DataError, match="each once"):
    of_classes(source(), ("dog", "dog"), NAMES)


def test_few_shots_are_of_each_class_and_by_the_seed():
  labels = np.repeat([0, 1, 2], 30)
  first, again = (draw_shots(labels, 4, 1) for _ in range(2))
  np.testing.assert_array_equal(first, again)
  np.testing.assert_array_equal(np.bincount(labels[first]), [4, 4, 4])
  assert (draw_shots(labels, 4, 2) != first).any()
  part = few_shots(source(), 1, seed=3)
  assert sorted(part.labels()) == [0, 1, 2, 3]


@pytest.mark.parametrize(
  "shots, names, message",
  [
    (2, NAMES, "got 2; expected 1 to 1.*'cow'"),
    (0, NAMES, "got 0; expected 1 to 1"),
    (1, (*NAMES, "eel"), "'eel'.* has none"),
  ],
)
def test_class_with_fewer_is_named(shots, names, message):
  with pytest.raises(DataError, match=message):
    draw_shots(LABELS, shots, 0, names)


def test_data_set_gives_some_classes_and_shots():
  images = LabelData(
    "digits", classes=("7", "2"), shots=3, holdout=60, channels=3
  )
  assert images.names() == ("7", "2")
  np.testing.assert_array_equal(np.bincount(images.train.labels()), [3, 3])
  assert len(images.evals["val"]) == 60
  assert set(images.evals["test"].labels()) == {0, 1}


def test_classes_are_not_taken_out_of_a_folder():
  with pytest.raises(ValueError, match="of a folder"):
    LabelData("folder", classes=("a",))
