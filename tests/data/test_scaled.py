"""Images at several sizes: which, in which order, and none too small."""

import numpy as np
import pytest

from vision_jax.data.bicubic import imresize
from vision_jax.data.errors import DataError
from vision_jax.data.scaled import Scaled
from vision_jax.data.source import read


class Two:
  """Images of 20 x 30 and 12 x 10 pixels."""

  images = (
    np.arange(20 * 30 * 3, dtype=np.uint8).reshape(20, 30, 3),
    np.arange(12 * 10 * 3, dtype=np.uint8).reshape(12, 10, 3),
  )

  def __len__(self):
    return 2

  def read(self, indices):
    return [{"image": self.images[i]} for i in indices]

  def fingerprint(self):
    return "two"


def test_one_size_follows_the_other_and_none_is_too_small():
  source = Scaled(Two(), (1.0, 0.5), least=8)
  found = [x["image"] for x in read(source, np.arange(len(source)))]
  assert [x.shape[:2] for x in found] == [(20, 30), (12, 10), (10, 15), (10, 8)]
  np.testing.assert_array_equal(found[0], Two.images[0])
  np.testing.assert_array_equal(found[2], imresize(Two.images[0], 0.5))
  small = Scaled(Two(), (0.5,), least=11)  # than the second's shorter side
  assert read(small, np.array([1]))[0]["image"].shape == (12, 10, 3)
  assert source.fingerprint() != small.fingerprint()


@pytest.mark.parametrize("scales", [(), (0.0,), (1.5,), (1.0, -1.0)])
def test_other_scales_are_an_error(scales):
  with pytest.raises(DataError, match=r"scales: got .+above 0"):
    Scaled(Two(), scales)
