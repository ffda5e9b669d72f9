"""Scenes read back: whole captions, digits and colours."""

import jax
import numpy as np
import pytest

from vision_jax.metrics.generation_extractor import Extractor
from vision_jax.metrics.scenes_read import ScenesRead

K = 40  # four colours of ten digits


def read(weights, image):
  """The kind of each half, which its first pixel tells."""
  kinds = image[:, 0, :2, 0] * weights
  return {"logits": jax.nn.one_hot(kinds.round().astype(int), K)}


def scenes(kinds):
  """Images in [-1, 1] whose first pixels tell what is in each half."""
  image = np.zeros((len(kinds), 2, 2, 1), np.float32)
  image[:, 0, :, 0] = np.array(kinds) / 100
  return image


METRIC = ScenesRead(Extractor("first", read, lambda: (100.0, np.zeros(1))))


def test_a_caption_is_right_as_a_whole_or_not():
  wanted = np.array([[3, 17], [3, 17], [3, 17], [3, 17], [3, 17]], np.int32)
  # Right; places exchanged; a colour wrong; a digit wrong; does not count.
  drawn = [[3, 17], [17, 3], [13, 17], [3, 16], [0, 0]]
  batch = {
    "image": scenes(wanted),
    "kinds": wanted,
    "mask": np.array([1, 1, 1, 1, 0], np.float32),
  }
  sums, rows = jax.jit(METRIC.measure)(
    METRIC.state, {"image": scenes(drawn)}, batch
  )
  got = METRIC.result(jax.device_get(sums), rows)
  assert got == {
    "captions": 0.25,
    "digits": pytest.approx((2 + 0 + 2 + 1) / 8),
    "colours": pytest.approx((2 + 0 + 1 + 2) / 8),
    **dict.fromkeys(("captions_real", "digits_real", "colours_real"), 1.0),
  }
  assert {*got} == {*METRIC.names}
