"""Sources one after another, gathered or read."""

import numpy as np
import pytest

from vision_jax.data.concatenated import concatenated
from vision_jax.data.errors import DataError
from vision_jax.data.sources.arrays import ArraySource


def made(number, start=0, size=2, names=("a", "b")):
  """Images whose pixels are all an example's own number."""
  values = np.arange(start, start + number)
  image = np.broadcast_to(values[:, None, None, None], (number, size, size, 1))
  arrays = {"image": image.astype(np.uint8), "label": values % 2}
  return ArraySource(arrays, class_names=names)


class Read:
  """The same, read one by one."""

  def __init__(self, source):
    self.source = source

  def __len__(self):
    return len(self.source)

  def labels(self):
    return self.source.labels()

  def fingerprint(self):
    return "read"

  def read(self, indices):
    batch = self.source.gather(indices)
    rows = range(len(indices))
    return [{k: x[i] for k, x in batch.items()} for i in rows]


INDICES = np.array([9, 0, 3, 4, 7, 2])


def test_examples_follow_one_another():
  both = concatenated(made(3), made(1, 3), made(6, 4))
  assert len(both) == 10 and both.class_names == ("a", "b")
  batch = both.gather(INDICES)
  np.testing.assert_array_equal(batch["image"][:, 0, 0, 0], INDICES)
  np.testing.assert_array_equal(batch["label"], INDICES % 2)
  np.testing.assert_array_equal(both.labels(), np.arange(10) % 2)
  assert batch["image"].shape == (6, 2, 2, 1)


def test_what_is_read_makes_all_be_read():
  both = concatenated(Read(made(3)), made(7, 3))
  assert not hasattr(both, "gather")
  found = both.read(INDICES)
  assert [int(x["image"].max()) for x in found] == INDICES.tolist()


def test_its_fingerprint_is_of_all_and_their_order():
  one, two = made(3), made(3, 3)
  prints = {
    concatenated(*parts).fingerprint()
    for parts in ((one, two), (two, one), (one,), (one, one))
  }
  assert len(prints) == 4


def test_other_classes_are_refused():
  with pytest.raises(DataError, match="the same, in the same order"):
    concatenated(made(3), made(3, names=("b", "a")))


def test_other_shapes_are_refused():
  both = concatenated(made(3), made(3, size=4))
  both.gather(np.array([0, 1]))
  with pytest.raises(DataError, match=r"got .*\(4, 4, 1\).*\(2, 2, 1\)"):
    both.gather(np.array([0, 5]))
