"""Pixels from channels: torch's order beside ours."""

import numpy as np
import pytest

from tests.oracles import library
from vision_jax.layers.upsample import depth_to_space, pixel_shuffle


def test_a_channels_values_are_next_to_each_other():
  x = np.arange(8, dtype=np.float32).reshape(1, 1, 1, 8)
  shuffled = np.asarray(pixel_shuffle(x, 2))
  assert shuffled.shape == (1, 2, 2, 2)
  np.testing.assert_array_equal(shuffled[0, :, :, 0], [[0, 1], [2, 3]])
  other = np.asarray(depth_to_space(x, 2))
  np.testing.assert_array_equal(other[0, :, :, 0], [[0, 2], [4, 6]])


@pytest.mark.slow
def test_it_is_torchs_pixel_shuffle():
  torch = library("torch")
  x = np.random.default_rng(0).normal(size=(2, 3, 5, 18)).astype(np.float32)
  theirs = torch.nn.functional.pixel_shuffle(
    torch.tensor(x.transpose(0, 3, 1, 2)), 3
  )
  np.testing.assert_array_equal(
    pixel_shuffle(x, 3), theirs.numpy().transpose(0, 2, 3, 1)
  )
