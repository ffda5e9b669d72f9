"""Several loaders as one: side by side, and one for each step."""

import threading

import jax
import numpy as np
import pytest

from tests.data_fixtures import Encoded, numbered
from vision_jax.data.errors import DataError
from vision_jax.data.loader import Loader
from vision_jax.data.source import Source
from vision_jax.data.together import Sizes, Together
from vision_jax.data.transforms.image import decode, resize
from vision_jax.errors import UserError
from vision_jax.ops.augment import random_flip
from vision_jax.ops.parts import of_parts, part


def equal(a, b):
  assert a.keys() == b.keys()
  for key in a:
    assert a[key].dtype == b[key].dtype, key
    np.testing.assert_array_equal(a[key], b[key], err_msg=key)


def joined(batches):
  return {k: np.concatenate([b[k] for b in batches]) for k in batches[0]}


def both(**options):
  """Horses, of which there are 11, and zebras, of which there are 5."""
  options = {"batch_size": 4} | options
  return Together(
    horses=Loader(numbered(11), seed=1, **options),
    zebras=Loader(numbered(5), seed=2, **options),
  )


def test_a_batch_has_each_loaders_own():
  loaders = both()
  for step in (3, 0):
    batch = loaders.batch(step)
    equal(batch, both().batch(step))
    for name, loader in loaders.loaders.items():
      equal(part(batch, name), loader.batch(step))
    np.testing.assert_array_equal(batch["index"], 4 * step + np.arange(4))
    assert batch["index"].dtype == np.int32 and batch["mask"].all()


def test_the_shorter_goes_on_in_a_new_epoch():
  run = joined([both().batch(step) for step in range(11)])
  horses = run["horses/row"].reshape(4, 11)
  zebras = run["zebras/row"][:40].reshape(8, 5)
  for rows in (horses, zebras):
    assert all(sorted(epoch) == [*range(len(epoch))] for epoch in rows)


@pytest.mark.parametrize("count", [2, 4])
def test_processes_partition_each_batch(count):
  loaders = both()
  shards = [both().shard(i, count) for i in range(count)]
  assert shards[0].batch_size == 4
  equal(loaders.batch(5), joined([s.batch(5) for s in shards]))
  epochs = zip(loaders.epoch(), *(s.epoch() for s in shards), strict=True)
  for whole, *parts in epochs:  # copies that fill up are each process's own
    got = joined(parts)
    for key in ("mask", "index", "horses/mask", "zebras/mask"):
      np.testing.assert_array_equal(whole[key], got[key], err_msg=key)


def test_an_epoch_counts_each_example_once():
  run = joined([*both(shuffle=False).epoch()])
  assert run["mask"].tolist() == [1.0] * 11 + [0.0]
  assert run["index"][:11].tolist() == [*range(11)]
  assert run["horses/row"][run["horses/mask"] > 0].tolist() == [*range(11)]
  assert run["zebras/row"][run["zebras/mask"] > 0].tolist() == [*range(5)]
  # They go on beside the rest of the horses.
  assert run["zebras/row"].tolist() == [0, 1, 2, 3, 4, 4, 4, 4, 0, 1, 2, 3]


def test_loaders_of_several_are_several():
  sized = Sizes(lambda size: Loader(numbered(9), batch_size=4), ("a", "b"))
  loaders = Together(
    pairs=both(), sized=sized, rest=Loader(numbered(6), batch_size=4)
  )
  run = [*loaders.epoch()]
  assert len(run) == loaders.epoch_steps == 3
  for name, alone in loaders.loaders.items():
    for got, expected in zip(run, alone.epoch(), strict=False):
      equal(part(got, name), expected)
  seen = part(joined(run), "rest")
  assert sorted(seen["row"][seen["mask"] > 0]) == [*range(6)]
  equal(part(loaders.batch(3), "pairs"), both().batch(3))


def test_a_row_counts_where_no_part_is_bad():
  bad = Encoded(8, bad=(1,))
  options = {"batch_size": 4, "shuffle": False, "on_bad_image": "skip"}
  shape = [decode(3), resize((8, 8))]
  loaders = Together(
    a=Loader(bad, shape, **options), b=Loader(Encoded(6), shape, **options)
  )
  first, second = loaders.epoch()
  assert loaders.batch(0)["mask"].tolist() == [1, 0, 1, 1]
  assert first["mask"].tolist() == [1, 0, 1, 1]
  assert first["b/mask"].tolist() == [1, 1, 1, 1]
  assert second["mask"].tolist() == [1, 1, 1, 1], "a is longer"
  assert second["b/mask"].tolist() == [1, 1, 0, 0]
  assert loaders.on_bad_image == "skip"
  assert loaders.skipped_names == ("1.jpg",)


def test_all_are_rounded_and_all_are_told_apart():
  rounded = both().rounded(8)
  assert rounded.batch_size == 8 and len(rounded.batch(0)["zebras/row"]) == 8
  options = {"batch_size": 4}
  other = Together(
    horses=Loader(numbered(11), **options),
    zebras=Loader(numbered(6), **options),
  )
  renamed = Together(
    horses=Loader(numbered(11), **options),
    mules=Loader(numbered(5), **options),
  )
  prints = [x.fingerprint() for x in (both(), both(), other, renamed)]
  assert prints[0] == prints[1] and len({*prints}) == 3
  assert len(both().source) == 11


def test_close_ends_all_threads():
  mine = lambda: {
    t for t in threading.enumerate() if t.name.startswith("vision_jax_data")
  }
  before = mine()
  make = lambda: Loader(Encoded(9), [decode(3)], batch_size=8, threads=3)
  with Together(a=make(), b=make()) as loaders:
    loaders.batch(0)
    assert len(mine() - before) == 6
  assert mine() <= before


def test_augmentations_of_parts_are_independent():
  batch = {
    "mask": np.ones(64, np.float32),
    "index": np.arange(64, dtype=np.int32),
  }
  image = np.tile(np.arange(2.0).reshape(1, 1, 2, 1), (64, 1, 1, 1))
  for name in ("a", "b", "c"):
    batch |= {f"{name}/image": image, f"{name}/index": batch["index"]}
  augment = of_parts(a=random_flip(), b=random_flip())
  new = augment(batch, jax.random.key(0))
  flipped = {n: np.asarray(new[f"{n}/image"])[:, 0, 0, 0] for n in "abc"}
  assert 16 < flipped["a"].sum() < 48 and not flipped["c"].any()
  assert 16 < (flipped["a"] != flipped["b"]).sum() < 48


def test_bad_input():
  with pytest.raises(DataError, match="Together: got the batch sizes of no l"):
    Together()
  with pytest.raises(DataError, match=r"\{'a': 2, 'b': 3\}; expected one lo"):
    Together(a=Loader(numbered(5), (), 2), b=Loader(numbered(5), (), 3))
  with pytest.raises(UserError, match="got 'zebra'; did you mean 'zebras'"):
    part(both().batch(0), "zebra")
  with pytest.raises(UserError, match="part: got 'zebras'"):
    part({"image": np.ones(1)}, "zebras")
  with pytest.raises(DataError, match="expected sizes that differ"):
    Sizes(lambda _: Loader(numbered(5), (), 2), (8, 8))


def sized(size: int, source: Source | None = None) -> Loader:
  transforms = [decode(3), resize((size, size))]
  return Loader(source or Encoded(10), transforms, 4, seed=3)


def test_sizes_are_drawn_by_step():
  loaders = Sizes(sized, (8, 16), seed=5, every=2)
  batches = [loaders.batch(step) for step in range(12)]
  sides = [batch["image"].shape[1] for batch in batches]
  assert sides[::2] == sides[1::2] and {*sides} == {8, 16}
  again = Sizes(sized, (8, 16), seed=5, every=2).shard(1, 2)
  for step in (7, 2):
    half = {k: x[2:] for k, x in batches[step].items()}
    equal(again.batch(step), half)
  other = Sizes(sized, (8, 16), seed=6, every=2)
  assert sides != [other.batch(step)["image"].shape[1] for step in range(12)]
  rows = np.concatenate([batch["row"] for batch in batches])[:40]
  epochs = rows.reshape(4, 10)
  assert all(sorted(epoch) == [*range(10)] for epoch in epochs)
  assert next(loaders.epoch())["image"].shape == (4, 16, 16, 3)
