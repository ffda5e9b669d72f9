"""The loader: purity, partition, padding, threads, bad images, errors."""

import threading

import numpy as np
import pytest

from tests.data_fixtures import Encoded, numbered, to_float
from vision_jax.data.errors import BadImage, DataError
from vision_jax.data.loader import Loader
from vision_jax.data.memory import InMemory
from vision_jax.data.sources.arrays import ArraySource
from vision_jax.data.transforms.crops import random_resized_crop
from vision_jax.data.transforms.image import decode


def jitter(example, rng):
  """A random transform that works on one example at a time."""
  return example | {"noise": rng.integers(1 << 30, size=2)}


SOURCES = {
  "gather": (lambda: numbered(23), [to_float()]),
  "gather_single": (lambda: numbered(23), [jitter, to_float()]),
  "memory": (lambda: InMemory(Encoded(23), [decode()]), [to_float()]),
  "read": (lambda: Encoded(23), [random_resized_crop(16), jitter]),
  "read_batched": (
    lambda: Encoded(23),
    [random_resized_crop(16), to_float()],
  ),
}


def make(name, **options):
  source, transforms = SOURCES[name]
  options = {"batch_size": 8, "seed": 3} | options
  return Loader(source(), transforms, **options)


def equal(a, b):
  assert a.keys() == b.keys()
  for key in a:
    assert a[key].dtype == b[key].dtype, key
    np.testing.assert_array_equal(a[key], b[key], err_msg=key)


def counting(batch):
  """The rows that count, and all of `mask` and `index`."""
  real = batch["mask"] > 0
  whole = ("mask", "index")
  return {k: x if k in whole else x[real] for k, x in batch.items()}


def joined(batches):
  return {k: np.concatenate([b[k] for b in batches]) for k in batches[0]}


@pytest.mark.parametrize("name", SOURCES)
def test_batch_is_pure(name):
  first, second = make(name), make(name)
  for step in (5, 0, 2):  # in any order, on loaders used before or not
    equal(first.batch(step), second.batch(step))
    equal(first.batch(step), first.batch(step))


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("count", [2, 4, 8])
def test_processes_partition_each_batch(name, count):
  whole = make(name)
  shards = [make(name).shard(i, count) for i in range(count)]
  for step in (0, 2, 7):  # 2 straddles two epochs
    equal(whole.batch(step), joined([s.batch(step) for s in shards]))
  for parts in zip(whole.epoch(), *(s.epoch() for s in shards), strict=True):
    equal(counting(parts[0]), counting(joined(parts[1:])))


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("threads", [1, 2, 5])
def test_threads_do_not_change_batches(name, threads):
  one, many = make(name, threads=1), make(name, threads=threads)
  equal(one.batch(2), many.batch(2))
  equal(joined(list(one.epoch())), joined(list(many.epoch())))


@pytest.mark.parametrize("name", SOURCES)
def test_batches_may_be_made_in_several_threads(name):
  expected = [make(name).batch(step) for step in range(6)]
  loader, got = make(name, threads=2), {}

  def work(start):
    for step in range(start, 6, 3):
      got[step] = loader.batch(step)

  threads = [threading.Thread(target=work, args=(i,)) for i in range(3)]
  for thread in threads:
    thread.start()
  for thread in threads:
    thread.join()
  for step, batch in enumerate(expected):
    equal(batch, got[step])


def test_threads_end_with_the_loader_and_start_again():
  mine = lambda: {
    t for t in threading.enumerate() if t.name.startswith("vision_jax_data")
  }
  before = mine()
  with make("read", threads=3) as loader:
    first = loader.batch(0)
    assert len(mine() - before) == 3
  assert mine() <= before
  loader.close()  # once more does no harm
  shard = loader.shard(0, 2)
  equal(first, joined([shard.batch(0), loader.shard(1, 2).batch(0)]))
  assert len(mine() - before) == 3, "shards share the threads"
  shard.close()
  assert mine() <= before


@pytest.mark.parametrize("n, batch_size", [(23, 8), (7, 16), (24, 8), (5, 1)])
def test_training_visits_every_example_once_an_epoch(n, batch_size):
  loader = Loader(numbered(n), (), batch_size, seed=1)
  steps = -(-4 * n // batch_size)
  run = joined([loader.batch(step) for step in range(steps)])
  np.testing.assert_array_equal(run["index"], np.arange(steps * batch_size))
  assert run["index"].dtype == np.int32 and run["mask"].all()
  rows = run["row"][: 4 * n].reshape(4, n)
  for epoch in rows:
    assert sorted(epoch) == list(range(n))
  assert len({tuple(epoch) for epoch in rows}) == 4, "every epoch has its order"


def test_order_depends_on_the_seed_and_shuffle():
  rows = lambda **o: Loader(numbered(50), (), 50, **o).batch(0)["row"].tolist()
  assert rows(seed=1) != rows(seed=2)
  assert rows(shuffle=False) == list(range(50))


def test_random_transforms_differ_by_example_epoch_and_seed():
  noise = joined([make("gather_single").batch(s) for s in range(6)])["noise"]
  assert len(np.unique(noise, axis=0)) == len(noise)
  other = make("gather_single", seed=4).batch(0)["noise"]
  assert not (other == noise[:8]).any()


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("batch_size", [1, 8, 23, 32])
def test_epoch_visits_every_example_in_order(name, batch_size):
  loader = make(name, batch_size=batch_size)
  batches = list(loader.epoch())
  assert len(batches) == loader.epoch_steps == -(-23 // batch_size)
  run = joined(batches)
  np.testing.assert_array_equal(run["mask"], run["index"] < 23)
  np.testing.assert_array_equal(run["row"][:23], np.arange(23))
  assert {x.dtype for x in (run["mask"], run["image"])} <= {
    np.dtype(np.float32),
    np.dtype(np.uint8),
  }


def test_processes_without_examples_get_as_many_batches():
  shards = [make("read", batch_size=16).shard(i, 16) for i in range(16)]
  lengths = [[b["image"].shape for b in shard.epoch()] for shard in shards]
  assert lengths == [[(1, 16, 16, 3)] * 2] * 16


@pytest.mark.parametrize("memory", [False, True])
@pytest.mark.parametrize("threads", [1, 3])
def test_bad_images_stop_and_are_named(memory, threads):
  loader = _with_bad(memory, "error", threads)
  with pytest.raises(BadImage, match=r"0\.jpg: corrupt or truncated"):
    list(loader.epoch())


@pytest.mark.parametrize("memory", [False, True])
@pytest.mark.parametrize("threads", [1, 3])
def test_bad_images_are_skipped_and_counted(memory, threads, caplog):
  loader = _with_bad(memory, "skip", threads)
  for _ in range(2):
    run = joined(list(loader.epoch()))
  np.testing.assert_array_equal(np.flatnonzero(run["mask"] == 0), [0, 1, 9])
  np.testing.assert_array_equal(
    run["row"], [2, 2, 2, 3, *range(4, 9), 8, 10, 11]
  )
  np.testing.assert_array_equal(run["index"], np.arange(12))
  assert loader.skipped == 3
  assert sorted(loader.skipped_names) == ["0.jpg", "1.jpg", "9.jpg"]
  assert sum("skipped image" in text for text in caplog.messages) == 3
  assert loader.shard(0, 2).skipped == 3, "shards count together"


def _with_bad(memory, on_bad_image, threads):
  source, transforms = Encoded(12, bad=(0, 1, 9)), [decode(), to_float()]
  if memory:
    source, transforms = InMemory(source, transforms[:1]), transforms[1:]
  return Loader(
    source, transforms, 4, on_bad_image=on_bad_image, threads=threads
  )


def test_only_bad_images_is_an_error():
  loader = Loader(Encoded(2, (0, 1)), [decode()], 2, on_bad_image="skip")
  with pytest.raises(DataError, match="none of its 2 images"):
    loader.batch(0)


def _labels(values, **options):
  image = np.zeros((len(values), 2, 2, 1), np.uint8)
  return Loader(
    ArraySource({"image": image, "label": np.array(values)}), (), 2, **options
  )


ERRORS = {
  "batch size": (lambda: numbered_loader(batch_size=0), "batch_size: got 0"),
  "processes divide": (
    lambda: numbered_loader(batch_size=9).shard(0, 2),
    "batch_size: got 9; expected a positive multiple of the 2",
  ),
  "more processes": (
    lambda: numbered_loader(n=3).shard(0, 4),
    "processes: got 4 for 3 examples",
  ),
  "process index": (lambda: numbered_loader().shard(2, 2), "process_index"),
  "threads": (lambda: numbered_loader(threads=-1), "threads: got -1"),
  "policy": (lambda: numbered_loader(on_bad_image="drop"), "on_bad_image"),
  "seed": (lambda: numbered_loader(seed=-1).batch(0), "seed: got -1"),
  "empty": (lambda: numbered_loader(n=0).batch(0), "got 0 examples"),
  "label": (
    lambda: _labels([0, 1, 7], num_classes=5, shuffle=False).batch(1),
    "label: got 7 in example 2 of the data; expected 0 to 4",
  ),
  "encoded": (
    lambda: Loader(Encoded(3), (), 2).batch(0),
    r"image: is still encoded.*decode\(\)",
  ),
  "shapes": (
    lambda: Loader(_Growing(), (), 3).batch(0),
    r"shape \(\d, 2, 1\) and type uint8; expected \(1, 2, 1\) and uint8",
  ),
}


def numbered_loader(n=23, **options):
  return Loader(numbered(n), (), **({"batch_size": 8} | options))


class _Growing:
  """Images of different sizes."""

  def __len__(self):
    return 3

  def read(self, indices):
    return [{"image": np.zeros((i + 1, 2, 1), np.uint8)} for i in indices]

  def fingerprint(self):
    return ""


@pytest.mark.parametrize("case", ERRORS)
def test_errors(case):
  act, message = ERRORS[case]
  with pytest.raises(DataError, match=message):
    act()


def test_fingerprint_is_the_sources():
  assert make("gather").fingerprint() == numbered(23).fingerprint()
  assert numbered(23).fingerprint() != numbered(24).fingerprint()
