"""Quarter turns as classes."""

import jax
import numpy as np
import pytest

from vision_jax.errors import UserError
from vision_jax.ops.augment.turns import turned_classes


def test_a_turned_image_is_of_a_class_of_its_own():
  rng = np.random.default_rng(0)
  batch = {
    "image": rng.normal(size=(40, 4, 4, 2)).astype(np.float32),
    "label": rng.integers(0, 3, 40),
    "index": np.arange(40),
  }
  out = jax.device_get(turned_classes(3)(batch, jax.random.key(0)))
  quarters, label = np.divmod(out["label"], 3)
  np.testing.assert_array_equal(label, batch["label"])
  assert {*quarters} == {0, 1, 2, 3}
  for x, turned, q in zip(batch["image"], out["image"], quarters, strict=True):
    np.testing.assert_array_equal(turned, np.rot90(x, q))


def test_images_that_are_not_square_are_an_error():
  batch = {"image": np.zeros((2, 4, 6, 1)), "label": np.zeros(2, int)}
  with pytest.raises(UserError, match=r"turned_classes: got images of \(4, 6"):
    turned_classes(2)(batch | {"index": np.arange(2)}, jax.random.key(0))
