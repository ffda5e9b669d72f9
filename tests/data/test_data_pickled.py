"""Sources and transforms go to other processes as they were made."""

import pickle

import jax
import numpy as np
import pytest

from tests.test_configs import CONFIGS, WRITTEN
from vision_jax.data.loader import Loader
from vision_jax.data.pickled import Lock
from vision_jax.data.transforms.base import keep
from vision_jax.data.transforms.boxes import letterbox
from vision_jax.data.transforms.crops import random_resized_crop
from vision_jax.data.transforms.image import decode, resize
from vision_jax.recipe import recipe


def copy(x):
  return pickle.loads(pickle.dumps(x))


def same(loader):
  """Whether copies of source and transforms give a loader's batches."""
  other = Loader(
    *(copy(loader.source), [copy(t) for t in loader.transforms]),
    batch_size=loader.batch_size,
    seed=loader.seed,
    shuffle=loader.shuffle,
    order=copy(loader.order),
    num_classes=loader.num_classes,
  )
  jax.tree.map(np.testing.assert_array_equal, loader.batch(1), other.batch(1))
  assert loader.fingerprint() == other.fingerprint()


def loaders(path, overrides):
  experiment = recipe.load(path, overrides).build()
  data = [experiment.train_data, *(e.data for e in experiment.evals.values())]
  return [x for x in data if isinstance(x, Loader)]  # of which others are made


def size_of(path):
  return recipe.load(path, resolve=False).config.image_size


@pytest.mark.parametrize("path", [p for p in CONFIGS if "generation" not in p])
@pytest.mark.parametrize("after", ["made", "used"])
def test_sources_and_transforms_of_the_configs(tmp_path, path, after):
  """Of one's own data where a config has those, else of its tiny variant."""
  overrides = {"batch_size": "4", "eval_batch_size": "4"}
  if path in WRITTEN:
    overrides |= WRITTEN[path](tmp_path) | {"image_size": "32,32"}
  if path in WRITTEN and type(size_of(path)) is int:
    overrides["image_size"] = "32"
  for loader in loaders(path if path in WRITTEN else f"{path}:tiny", overrides):
    if after == "used":
      loader.batch(0)
    same(loader)


def test_what_was_read_stays_behind():
  """A copy has what the source was made with, and not its pixels."""
  train = loaders("configs/detection/digit_scenes_detr.py:tiny", {})[0]
  before = len(pickle.dumps(train.source))
  train.batch(0)
  assert len(pickle.dumps(train.source)) == before < 2000


def test_a_prepared_set_is_opened_anew(data_root):
  flags = {"data_dir": str(data_root), "batch_size": "4"}
  for loader in loaders("configs/classification/mnist_lenet.py", flags):
    loader.batch(0)
    same(loader)


def test_a_transform_tells_how_it_was_made():
  steps = [decode(bits=16), resize((8, 8)), keep("image"), letterbox((4, 6))]
  expected = ["decode(bits=16)", "resize((8, 8))", "keep('image')"]
  assert [repr(step) for step in steps[:3]] == expected
  assert [step.batched for step in steps] == [False, False, True, False]
  assert repr(copy(steps[3])) == "letterbox((4, 6))"
  assert "32" in repr(random_resized_crop(32))


def test_a_locks_copy_is_free():
  lock = Lock()
  with lock, lock, copy(lock):
    pass
