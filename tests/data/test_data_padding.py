"""Rows that do not count hold a real example, so that gradients exist."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.data.test_data_loader import SOURCES, counting, joined, make
from tests.data_fixtures import Encoded, to_float
from vision_jax.core.types import Mean
from vision_jax.data.loader import Loader
from vision_jax.data.memory import InMemory
from vision_jax.data.sources.arrays import ArraySource
from vision_jax.data.transforms.image import decode

LEFT_OUT = ("mask", "index")


def assert_copies(batch, fallback):
  """Masked rows are copies of the first row that counts, or the fallback."""
  real = np.flatnonzero(batch["mask"])
  assert set(batch) - set(LEFT_OUT) == set(fallback)
  for key, example in fallback.items():
    copy = batch[key][real[0]] if len(real) else example
    for row in np.flatnonzero(batch["mask"] == 0):
      np.testing.assert_array_equal(batch[key][row], copy, err_msg=key)


def first_of(loader):
  batch = next(loader.epoch())
  row = np.flatnonzero(batch["mask"])[0]
  return {k: x[row] for k, x in batch.items() if k not in LEFT_OUT}


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("count", [1, 2, 4, 8])
def test_padding_is_a_copy(name, count):
  first = first_of(make(name))  # position 0 draws what the fallback draws
  for i in range(count):
    *_, last = make(name).shard(i, count).epoch()
    assert last["mask"].sum() == np.sum(last["index"] < 23)
    assert_copies(last, first)


@pytest.mark.parametrize("memory", [False, True])
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("count", [1, 2, 4])
def test_skipped_images_are_copies_in_training_too(memory, threads, count):
  source, transforms = Encoded(12, bad=(0, 1, 2, 3, 9)), [decode(), to_float()]
  if memory:
    source, transforms = InMemory(source, transforms[:1]), transforms[1:]
  options = {"on_bad_image": "skip", "threads": threads, "shuffle": False}
  loader = Loader(source, transforms, 4, **options)
  first = first_of(Loader(source, transforms, 12, **options))
  assert first["row"] == 4, "the first readable one"
  for i in range(count):
    shard = loader.shard(i, count)
    for batch in (*shard.epoch(), *map(shard.batch, range(4))):
      assert_copies(batch, first)
  run = joined(list(loader.epoch()))
  np.testing.assert_array_equal(
    np.flatnonzero(run["mask"] == 0), [0, 1, 2, 3, 9]
  )
  np.testing.assert_array_equal(run["row"][:5], [4] * 5)


def norms(scale, batch):
  """A loss without a gradient at an image of zeros."""
  image = scale * batch["image"].reshape(len(batch["mask"]), -1)
  return Mean.of(jnp.sqrt(jnp.sum(image**2, -1)), batch["mask"])


@pytest.mark.parametrize("name", ["gather", "gather_single", "memory", "read"])
def test_padding_does_not_spoil_gradients(name):
  """`Mean.of` promises it, of what the loader makes."""
  grad = jax.grad(lambda scale, batch: norms(scale, batch).divide())
  options = {"batch_size": 32}
  if name == "read":
    loader = Loader(Encoded(5, bad=(1, 3)), [decode(), to_float()], 8)
    loader = Loader(*_parts(loader), on_bad_image="skip")
  else:
    source, transforms = SOURCES[name]
    loader = Loader(_positive(source()), transforms, **options)
  batch = next(loader.epoch())
  assert 0 < batch["mask"].sum() < len(batch["mask"])
  got, expected = grad(1.0, batch), grad(1.0, counting(batch) | _ones(batch))
  assert np.isfinite(got) and got > 0
  np.testing.assert_allclose(got, expected, rtol=1e-6)


def _parts(loader):
  return loader.source, loader.transforms, loader.batch_size


def _positive(source):
  """A source of no black image, whose own norm would have no gradient."""
  if not isinstance(source, ArraySource):
    return source
  arrays = source.arrays
  return ArraySource(arrays | {"image": arrays["image"] + 1})


def _ones(batch):
  return {"mask": np.ones(int(batch["mask"].sum()), np.float32)}


def test_a_masked_row_of_zeros_would_spoil_it():
  """Why: a row of weight 0 is multiplied by 0, and 0 * infinity is NaN."""
  batch = {
    "image": np.array([[3.0, 4.0], [0.0, 0.0]]),
    "mask": np.array([1, 0]),
  }
  total, count = norms(1.0, batch)
  assert (total, count) == (5, 1)
  assert np.isnan(jax.grad(lambda scale: norms(scale, batch).divide())(1.0))
