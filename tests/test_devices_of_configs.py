"""Every config's loaders on 1 to 32 devices."""

import pytest

from tests.test_configs import CONFIGS
from vision_jax.recipe import recipe

DEVICES = (1, 2, 4, 8, 16, 32)


@pytest.mark.parametrize("path", CONFIGS)
def test_evaluation_batches_divide_by_any_number_of_devices(path):
  experiment = recipe.load(f"{path}:tiny").build()
  for data in experiment.evals.values():
    for devices in DEVICES:
      loader = data.data.rounded(devices)
      assert loader.batch_size % devices == 0
      assert 0 <= loader.batch_size - data.data.batch_size < devices
      assert loader.source is data.data.source
    # Sixteen of the thirty-two devices are another process's.
    batch = next(data.data.rounded(32).shard(1, 2).epoch())
    assert len(batch["mask"]) == data.data.rounded(32).batch_size // 2


def test_rounding_up_counts_each_example_once():
  experiment = recipe.load("configs/classification/digits_cnn.py:tiny").build()
  (data, *_) = experiment.evals.values()
  loader = data.data.rounded(7)
  indices = [
    i for b in loader.epoch() for i in b["index"][b["mask"] > 0].tolist()
  ]
  assert indices == list(range(len(loader.source)))
