"""Batches of several examples of each of their classes."""

import numpy as np
import pytest

from vision_jax.data.errors import DataError
from vision_jax.data.loader import Loader
from vision_jax.data.order_classes import ClassBatches
from vision_jax.data.sources.arrays import ArraySource
from vision_jax.data.sources.digits import Digits
from vision_jax.data.sources.image_list import ImageList

COUNTS = (9, 2, 30, 5)


class Labelled(ArraySource):
  """Numbers with labels, of classes of very different sizes."""

  def __init__(self, counts):
    label = np.repeat(np.arange(len(counts)), counts).astype(np.int32)
    super().__init__({"x": np.arange(len(label)), "label": label})
    self.class_names = ("a", "b", "c", "d")

  def labels(self):
    """Returns the labels (n,)."""
    return self.gather(np.arange(len(self)))["label"]


def test_each_batch_has_so_many_of_each_of_its_classes():
  source = Labelled(COUNTS)
  order = ClassBatches(source, 3, 4)
  with Loader(source, (), 12, seed=3, order=order) as loader:
    batches = [loader.batch(step) for step in range(60)]
  drawn = np.zeros(4, int)
  for batch in batches:
    there, counts = np.unique(batch["label"], return_counts=True)
    assert len(there) == 3 and (counts == 4).all()
    drawn[there] += 1
  assert drawn.min() > 30  # 45 of each
  assert not np.array_equal(batches[0]["x"], batches[3]["x"])


def test_examples_of_a_class_come_equally_often():
  epoch = ClassBatches(Labelled((40, 40)), 2, 8)(0, 0)
  assert len(epoch) == 80 and len(np.unique(epoch)) == 80
  (small,) = [ClassBatches(Labelled((2, 30)), 2, 3)(1, 4)]
  counts = np.bincount(small, minlength=32)
  assert len(small) == 30 and counts[:2].sum() == 15
  assert counts[:2].max() - counts[:2].min() == 1 and counts[2:].max() == 1


def test_an_epoch_is_pure_and_processes_share_its_batches():
  source = Digits("train")
  order = ClassBatches(source, 10, 4)
  np.testing.assert_array_equal(order(5, 2), order(5, 2))
  assert not np.array_equal(order(5, 2), order(5, 3))
  with Loader(source, (), 40, seed=1, order=order) as loader:
    whole = loader.batch(7)["label"]
    parts = [loader.shard(i, 2).batch(7)["label"] for i in range(2)]
  np.testing.assert_array_equal(np.concatenate(parts), whole)


@pytest.mark.parametrize(
  ("counts", "how", "message"),
  [
    ((5, 5), (1, 4), "got 1 classes of 4 examples; expected two or more"),
    ((5, 5), (2, 1), "got 2 classes of 1 examples; expected two or more"),
    ((5, 5), (3, 2), "got 3 classes in each, and the data have 2; expected"),
    ((5, 1, 3), (2, 2), "the class 'b' has one image; expected two or more"),
  ],
)
def test_bad_input(counts, how, message):
  with pytest.raises(DataError, match=message):
    ClassBatches(Labelled(counts), *how)(0, 0)


def test_a_source_without_classes_is_an_error():
  with pytest.raises(DataError, match=r"ImageList, which has no labels\(\)"):
    ClassBatches(ImageList("images"), 2, 2)
