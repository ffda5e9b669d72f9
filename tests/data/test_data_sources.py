"""Sources: arrays, npz, folders, digits, memory, parts."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest

from tests.data_fixtures import Encoded, encode, numbered, random_image
from tests.programs.command import PATIENCE
from vision_jax.data.errors import BadImage, DataError
from vision_jax.data.memory import InMemory
from vision_jax.data.source import short_hash
from vision_jax.data.sources.arrays import ArraySource, NpzSource
from vision_jax.data.sources.digits import Digits
from vision_jax.data.sources.folders import ImageFolder
from vision_jax.data.subsets import split_paths, split_train, stratified, subset
from vision_jax.data.transforms.crops import random_resized_crop
from vision_jax.data.transforms.image import decode

IMAGE = np.zeros((4, 2, 2, 1), np.uint8)


def arrays(label=(0, 1, 2, 1), image=IMAGE, **options):
  return ArraySource({"image": image, "label": np.array(label)}, **options)


def test_arrays_are_gathered():
  got = arrays().gather(np.array([2, 2, 0]))
  np.testing.assert_array_equal(got["label"], [2, 2, 0])
  assert got["label"].dtype == np.int32 and got["image"].shape == (3, 2, 2, 1)


ARRAY_ERRORS = {
  "high": (lambda: arrays(num_classes=2), "1 labels out of range, the first 2"),
  "names": (lambda: arrays(class_names=("a", "b")), "expected 0 to 1"),
  "negative": (lambda: arrays((0, -1, 0, 0)), "the first -1 at 1"),
  "float": (lambda: arrays((0.0, 1, 2, 3)), "dtype float64"),
  "lengths": (lambda: arrays((0, 1)), "lengths {'image': 4, 'label': 2}"),
  "no channels": (lambda: arrays(image=IMAGE[..., 0]), r"image\[..., None\]"),
  "nothing": (lambda: ArraySource({}), "at least one array"),
}


@pytest.mark.parametrize("case", ARRAY_ERRORS)
def test_array_errors(case):
  source, message = ARRAY_ERRORS[case]
  source = source()  # constructing touches nothing
  with pytest.raises(DataError, match=message):
    len(source)


def test_npz(tmp_path):
  path = tmp_path / "data.npz"
  source = NpzSource(path, {"image": "x", "label": "y"}, num_classes=10)
  with pytest.raises(DataError, match="does not exist"):
    len(source)
  np.savez(path, x=IMAGE, y=np.arange(4))
  assert len(source) == 4 and source.labels().tolist() == [0, 1, 2, 3]
  assert set(NpzSource(path).arrays) == {"x", "y"}
  with pytest.raises(DataError, match="no array z; it has x, y"):
    len(NpzSource(path, {"image": "z"}))
  path.write_bytes(path.read_bytes()[:100])
  with pytest.raises(DataError, match="cannot be read"):
    len(NpzSource(path))


@pytest.fixture
def folder(tmp_path):
  """Two classes, of three and two images."""
  for name, count in {"dog": 2, "cat": 3}.items():
    (tmp_path / name / "more").mkdir(parents=True)
    for i in range(count):
      place = tmp_path / name / ("more" if i == 0 else "")
      (place / f"{i}.JPG").write_bytes(encode(random_image(seed=i)))
  (tmp_path / "cat" / "notes.txt").write_text("no image")
  (tmp_path / ".hidden").mkdir()
  return tmp_path


def test_folder_has_a_class_for_each_folder(folder):
  source = ImageFolder(folder)
  assert source.class_names == ("cat", "dog") and source.num_classes == 2
  assert source.labels().tolist() == [0, 0, 0, 1, 1]
  names = [p.relative_to(folder).as_posix() for p in source.files]
  assert names[:3] == ["cat/1.JPG", "cat/2.JPG", "cat/more/0.JPG"]
  example = source.read(np.array([3]))[0]
  assert example["label"] == 1 and example["name"].endswith("dog/1.JPG")
  assert decode()(example, None)["image"].shape == (40, 60, 3)


def test_folder_takes_the_order_of_class_names(folder):
  assert ImageFolder(folder, ("dog", "cat")).labels().tolist() == [
    *(0, 0),
    *(1, 1, 1),
  ]
  assert ImageFolder(folder, ()).class_names == ("cat", "dog")


def test_folder_fingerprint_changes_with_the_files(folder):
  before = ImageFolder(folder).fingerprint()
  assert ImageFolder(folder).fingerprint() == before
  (folder / "cat" / "9.png").write_bytes(b"")
  added = ImageFolder(folder).fingerprint()
  os.utime(folder / "cat" / "9.png", (1, 1))
  assert len({before, added, ImageFolder(folder).fingerprint()}) == 3


def test_folder_errors(folder):
  (folder / "owl").mkdir()
  (folder / "fox").mkdir()
  cases = {
    folder / "nothing": "nothing: does not exist",
    folder / "cat" / "1.JPG": "is a file",
    folder / "cat" / "more": "has no folders in it",
    folder: "no images in the class folders fox, owl",
  }
  for path, message in cases.items():
    with pytest.raises(DataError, match=message):
      len(ImageFolder(path))
  with pytest.raises(DataError, match=r"lacks classes \[cow\]"):
    len(ImageFolder(folder, ("cat", "dog", "owl", "fox", "cow")))


def test_a_file_that_goes_away_is_a_bad_image(folder):
  source = ImageFolder(folder)
  source.files[0].unlink()
  with pytest.raises(BadImage, match=r"1\.JPG: cannot be read"):
    source.read(np.array([0]))


def test_digits_split_is_fixed_and_stratified():
  from sklearn.datasets import load_digits

  train, test = Digits("train"), Digits("test")
  assert (len(train), len(test)) == (1437, 360)
  rows = np.concatenate([train.arrays["image"], test.arrays["image"]])
  assert rows.dtype == np.uint8 and rows.shape == (1797, 8, 8, 1)
  expected = np.round(load_digits().data * 255 / 16).astype(np.uint8)
  np.testing.assert_array_equal(
    np.sort(rows.reshape(1797, 64).view("S64"), 0),
    np.sort(expected.view("S64"), 0),
  )
  shares = np.bincount(test.labels()) / np.bincount(load_digits().target)
  assert np.abs(shares - 360 / 1797).max() < 0.006
  assert test.fingerprint() == "d0bf5df3d1fb4cd3", "the split is fixed for good"
  with pytest.raises(DataError, match="split 'val'"):
    Digits("val")


class _Counted(Encoded):
  """Counts what is read."""

  def __init__(self, n):
    super().__init__(n)
    self.reads = []

  def read(self, indices):
    self.reads += indices.tolist()
    return super().read(indices)


def test_memory_reads_what_is_needed_once():
  source = _Counted(9)
  memory = InMemory(source, [decode()])
  assert source.reads == [] and len(memory) == 9
  first = memory.gather(np.array([4, 2, 4]))
  assert source.reads == [2, 4] and first["row"].tolist() == [4, 2, 4]
  memory.gather(np.array([2, 3, 4]))
  memory.gather(np.arange(9))
  assert sorted(source.reads) == list(range(9))
  expected = decode()(source.read(np.array([4]))[0], None)["image"]
  np.testing.assert_array_equal(first["image"][0], expected)
  first["image"][:] = 0  # a batch is the caller's own
  np.testing.assert_array_equal(memory.gather([4])["image"][0], expected)


def test_memory_reads_with_all_threads():
  """Two are in the transforms at once, or the barrier breaks."""
  both = threading.Barrier(2)

  def meet(example, rng):
    if example["row"] > 0:  # the first one tells the shapes, alone
      both.wait(timeout=PATIENCE)
    return example

  got = InMemory(Encoded(5), [decode(), meet], threads=2).gather(np.arange(5))
  alone = InMemory(Encoded(5), [decode()], threads=1).gather(np.arange(5))
  for key, x in alone.items():
    np.testing.assert_array_equal(got[key], x)


@pytest.mark.parametrize("threads", [1, 3])
def test_memory_names_the_first_bad_image(threads):
  memory = InMemory(Encoded(9, bad=(3, 7)), [decode()], threads)
  with pytest.raises(BadImage, match=r"3\.jpg"):
    memory.gather(np.arange(9))
  assert memory.gather(np.array([0, 8]))["row"].tolist() == [0, 8]


def test_memory_passes_the_source_on():
  memory = InMemory(Encoded(8), [decode()])
  assert memory.num_classes == 4 and memory.fingerprint() == "encoded"
  assert memory.labels().tolist() == [0, 1, 2, 3] * 2


def test_memory_errors():
  with pytest.raises(DataError, match="belongs in the Loader"):
    InMemory(Encoded(2), [random_resized_crop(8)]).gather(np.array([0]))
  with pytest.raises(DataError, match="one shape"):
    InMemory(_Sizes()).gather(np.arange(2))
  with pytest.raises(BadImage, match=r"1\.jpg"):
    InMemory(Encoded(3, bad=(1,)), [decode()]).gather(np.arange(3))


class _Sizes(Encoded):
  def __init__(self):
    super().__init__(2)

  def read(self, indices):
    return [{"image": np.zeros((i + 1, 2, 3), np.uint8)} for i in indices]


@pytest.mark.parametrize("make", [numbered, lambda n: Encoded(n)])
def test_subset_keeps_its_order(make):
  part = subset(make(9), lambda: np.array([7, 1, 3]))
  assert len(part) == 3 and part.num_classes == make(9).num_classes
  if hasattr(part, "gather"):
    rows = part.gather(np.array([2, 0]))["row"].tolist()
  else:
    rows = [int(x["row"]) for x in part.read(np.array([2, 0]))]
  assert rows == [3, 7]
  assert part.fingerprint() != subset(make(9), [7, 1]).fingerprint()
  with pytest.raises(DataError, match="values from 0 to 8"):
    len(subset(make(9), [9]))


@pytest.mark.parametrize("stratify", [False, True])
def test_split_train_holds_examples_out(stratify):
  source = numbered(100)
  train, val = split_train(source, 30, seed=1, stratify=stratify)
  rows = [x.gather(np.arange(len(x)))["row"].tolist() for x in (train, val)]
  assert [len(x) for x in rows] == [70, 30]
  assert sorted(rows[0] + rows[1]) == list(range(100))
  again = split_train(source, 30, seed=1, stratify=stratify)[1]
  assert again.indices.tolist() == val.indices.tolist()
  other = split_train(source, 30, seed=2, stratify=stratify)[1]
  assert other.indices.tolist() != val.indices.tolist()
  if stratify:
    assert np.bincount(val.labels()).tolist() == [3] * 10


@pytest.mark.parametrize("holdout", [0, 1.5, 100, 101])
def test_split_train_errors(holdout):
  with pytest.raises(DataError, match=f"holdout {holdout}; expected 1 to 99"):
    len(split_train(numbered(100), holdout)[0])


@pytest.mark.parametrize("holdout", [1, 7, 20, 36])
def test_stratified_shares_add_up(holdout):
  labels = np.repeat([0, 1, 2, 7], [20, 13, 10, 1])
  kept, held = stratified(labels, holdout, seed=0)
  assert len(held) == holdout and not set(kept) & set(held)
  share = np.bincount(labels) * holdout / 44
  assert np.abs(np.bincount(labels[held], minlength=8) - share).max() < 1


@pytest.mark.parametrize("seed", [0, 1])
def test_ties_between_classes_are_drawn(seed):
  """scikit-learn#8913: the first classes gave, whatever the seed."""
  labels = np.repeat(np.arange(100), 4)
  held = [labels[stratified(labels, 40, s)[1]] for s in (seed, seed + 2)]
  for classes in held:
    assert np.bincount(classes).max() == 1 and len(classes) == 40
    assert 20 < np.mean(classes) < 79
  assert set(held[0]) != set(held[1])


def test_a_class_keeps_its_only_example():
  labels = np.r_[np.arange(10), np.repeat(10, 6)]
  _, held = stratified(labels, 5, seed=0)
  assert labels[held].tolist() == [10] * 5
  with pytest.raises(DataError, match="expected 1 to 5 of the 16 examples"):
    stratified(labels, 6, seed=0)
  groups = [str(i) for i in range(10)] + ["10"] * 6
  paths = [f"{group}/{i}.jpg" for i, group in enumerate(groups)]
  for share in (0.01, 0.1, 0.9):
    _, held = split_paths(paths, groups, share, 0)
    assert len(held) >= 1 and set(labels[held]) == {10}


def test_several_labels_for_each_are_stratified_by_what_occurs_together():
  rows = np.repeat([[1, 0], [0, 1], [1, 1]], [10, 20, 10], axis=0)
  _, held = stratified(rows, 4, seed=0)
  got, counts = np.unique(rows[held], axis=0, return_counts=True)
  assert got.tolist() == [[0, 1], [1, 0], [1, 1]] and counts.tolist() == [
    2,
    1,
    1,
  ]


def test_the_holdout_of_arrays_is_fixed_for_good():
  """Committed rows name examples that were held out so."""
  kept, held = stratified(np.zeros(60_000, np.int64), 5_000, seed=0)
  assert short_hash(kept, held) == "9b98d0e7907dfd49"


@pytest.mark.parametrize("sizes", [(40,), (7, 4, 12), (4,) * 30])
def test_a_file_more_moves_at_most_one_other_of_its_class(sizes):
  """OpenTau#502: one image more, and every held-out one was trained on."""
  groups = [f"c{k}" for k, size in enumerate(sizes) for _ in range(size)]
  paths = [f"{group}/{i}.jpg" for i, group in enumerate(groups)]
  held = lambda p, g: {p[i] for i in split_paths(p, g, 0.1, 0)[1]}
  before = held(paths, groups)
  assert 1 <= len(before) < len(paths) / 4
  moved = []
  for i in range(60):
    group = f"c{i % len(sizes)}"
    new = f"{group}/new{i}.jpg"
    after = held([new, *paths], [group, *groups])
    crossed = (before ^ after) - {new}
    assert len(crossed) <= 1 and all(p.startswith(group + "/") for p in crossed)
    moved.append(len(crossed))
  assert held(paths[::-1], groups[::-1]) == before  # their order says nothing
  fewer = held(paths[1:], groups[1:])
  assert len((before ^ fewer) - {paths[0]}) <= 1


def test_a_source_of_files_is_split_by_its_paths(folder):
  for i in range(3, 40):
    (folder / "cat" / f"{i}.png").write_bytes(b"")
  part = lambda: split_train(ImageFolder(folder), 0.1, stratify=True)
  names = lambda part: {part.source.paths()[i] for i in part.indices}
  train, val = part()
  assert len(train) + len(val) == 42 and 4 <= len(val) <= 5
  before = names(val)
  (folder / "dog" / "5.png").write_bytes(b"")
  assert {n for n in names(part()[1]) if "cat" in n} == {
    n for n in before if "cat" in n
  }
  assert len(split_train(ImageFolder(folder), 7)[1]) == 7


def test_importing_the_data_package_imports_neither_jax_nor_tensorflow():
  code = """
import pkgutil, sys, importlib, vision_jax.data as data
for module in pkgutil.walk_packages(data.__path__, "vision_jax.data."):
  importlib.import_module(module.name)
from vision_jax.data.loader import Loader
from vision_jax.data.sources.digits import Digits
Loader(Digits("test"), (), 8).batch(0)
print([m for m in ("jax", "tensorflow", "flax", "torch") if m in sys.modules])
"""
  run = subprocess.run(
    [sys.executable, "-c", code], capture_output=True, text=True, check=True
  )
  assert run.stdout.strip() == "[]"
