"""Sources: arrays, npz, folders, digits, memory, parts."""

import os
import subprocess
import sys

import numpy as np
import pytest

from tests.data_fixtures import Encoded, encode, numbered, picture
from vision_jax.data.arrays import ArraySource, NpzSource
from vision_jax.data.digits import Digits
from vision_jax.data.errors import BadImage, DataError
from vision_jax.data.folders import ImageFolder, ImageList
from vision_jax.data.memory import InMemory
from vision_jax.data.subsets import split_train, stratified, subset
from vision_jax.data.transforms import decode, random_resized_crop

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
      (place / f"{i}.JPG").write_bytes(encode(picture(seed=i)))
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
  with pytest.raises(DataError, match=r"lacks classes \['cow'\]"):
    len(ImageFolder(folder, ("cat", "dog", "owl", "fox", "cow")))


def test_a_file_that_goes_away_is_a_bad_image(folder):
  source = ImageFolder(folder)
  source.files[0].unlink()
  with pytest.raises(BadImage, match=r"1\.JPG: cannot be read"):
    source.read(np.array([0]))


def test_list_has_the_images_of_one_folder(folder):
  source = ImageList(folder / "cat")
  assert [p.name for p in source.files] == ["1.JPG", "2.JPG"]
  assert set(source.read(np.array([1]))[0]) == {"image", "name"}
  assert source.fingerprint() == ImageList(folder / "cat").fingerprint()
  for path, message in {
    folder / "none": "does not exist",
    folder: "has no images",
  }.items():
    with pytest.raises(DataError, match=message):
      len(ImageList(path))


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


@pytest.mark.parametrize("holdout", [0, 100, 101])
def test_split_train_errors(holdout):
  with pytest.raises(DataError, match=f"holdout {holdout}; expected 1 to 99"):
    len(split_train(numbered(100), holdout)[0])


@pytest.mark.parametrize("holdout", [1, 7, 20, 43])
def test_stratified_shares_add_up(holdout):
  labels = np.repeat([0, 1, 2, 7], [20, 13, 10, 1])
  kept, held = stratified(labels, holdout, seed=0)
  assert len(held) == holdout and not set(kept) & set(held)
  share = np.bincount(labels) * holdout / 44
  assert np.abs(np.bincount(labels[held], minlength=8) - share).max() < 1


def test_importing_the_data_package_imports_neither_jax_nor_tensorflow():
  code = """
import pkgutil, sys, importlib, vision_jax.data as data
for module in pkgutil.iter_modules(data.__path__):
  importlib.import_module("vision_jax.data." + module.name)
from vision_jax.data.loader import Loader
from vision_jax.data.digits import Digits
Loader(Digits("test"), (), 8).batch(0)
print([m for m in ("jax", "tensorflow", "flax", "torch") if m in sys.modules])
"""
  run = subprocess.run(
    [sys.executable, "-c", code], capture_output=True, text=True, check=True
  )
  assert run.stdout.strip() == "[]"
