"""A folder of any layout gives the same images, labels and split."""

import numpy as np
import pytest

from tests.data import layouts_made as made
from vision_jax.data.errors import DataError
from vision_jax.data.found import split_of
from vision_jax.data.own import Own
from vision_jax.data.recognise import known, recognise
from vision_jax.data.transforms.image import decode
from vision_jax.data.transforms.masks import decode_target

KINDS = {"labels": made.LABELS, "boxes": made.BOXES, "masks": made.MASKS}
EACH = [(has, make) for has, makers in KINDS.items() for make in makers]
MADE_BY = {"parquet": "huggingface", "arrow": "huggingface", "emnist": "idx"}


def seen(source):
  """Returns what a split has: which images, and what is given of each."""
  rows = []
  for example in source.read(np.arange(len(source))):
    example = dict(example)
    image = decode()(example, None)["image"]
    number = next(i for i in _ALL if np.array_equal(image, made.pixels(i)))
    given = {
      "labels": lambda e: int(e["label"]),
      "boxes": lambda e: (e["label"].tolist(), e["boxes"].round(5).tolist()),
      "masks": lambda e: decode_target(4)(e, None)["target"].tolist(),
    }
    kind = (
      "masks"
      if "target" in example
      else ("boxes" if "boxes" in example else "labels")
    )
    rows.append((number, given[kind](example)))
  return sorted(rows, key=lambda row: row[0])


_ALL = [i for numbers in made.SPLITS.values() for i in numbers]


def expected(has, i):
  x0, y0, x1, y1 = (n / made.SIDE for n in made.box(i))
  box = [(x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0]
  return {
    "labels": made.label(i),
    "boxes": ([made.label(i)], [np.float32(box).round(5).tolist()]),
    "masks": made.mask(i).tolist(),
  }[has]


def held_out(has, root):
  """The numbers that the first layout holds out."""
  if not (root / "first").exists():
    KINDS[has][0](root / "first")
  val = Own(str(root / "first"), has).open("val")
  return [number for number, _ in seen(val)]


@pytest.fixture(scope="module")
def first(tmp_path_factory):
  return {has: tmp_path_factory.mktemp(has) for has in KINDS}


@pytest.mark.parametrize(
  ("has", "make"), EACH, ids=lambda x: getattr(x, "__name__", x)
)
def test_one_set_in_each_layout_is_one_set(has, make, first, tmp_path):
  make(tmp_path / "mine")
  own = Own(str(tmp_path / "mine"), has)
  stem = make.__name__.partition("_of_")[0]
  named = [name for name in known() if stem.startswith(name)]
  assert own.found.layout in {*named, MADE_BY.get(stem)}
  assert own.split_names() == ("train", "val", "test")
  sources = {split: own.open(split) for split in own.split_names()}
  if has != "masks":
    assert tuple(own.whole("train").class_names) == made.NAMES
  found = {split: seen(source) for split, source in sources.items()}
  for rows in found.values():
    assert rows == [(i, expected(has, i)) for i, _ in rows]
  held = held_out(has, first[has])
  assert 2 <= len(held) <= 5
  assert [i for i, _ in found["val"]] == held
  kept = [i for i in made.SPLITS["train"] if i not in held]
  assert [i for i, _ in found["train"]] == kept
  assert [i for i, _ in found["test"]] == list(made.SPLITS["test"])
  assert len({source.fingerprint() for source in sources.values()}) == 3


def test_every_layout_is_one_of_these():
  tried = {getattr(make, "__name__", "") for _, make in EACH}
  for name in known():
    stems = [name, *(k for k, v in MADE_BY.items() if v == name)]
    assert any(t.startswith(stem) for t in tried for stem in stems), name


@pytest.mark.parametrize(
  ("name", "split"),
  [
    *(("Train", "train"), ("training_set", "train"), ("TrainImages", "train")),
    *(("valid", "val"), ("dev", "val"), ("val2017", "val"), ("Test", "test")),
    *(("instances_train2017", "train"), ("VALIDATION", "val")),
    *(("trainval", None), ("cat", None), ("training wheels", None)),
    *(("train_test", None), ("2017", None)),
  ],
)
def test_splits_are_spelled_in_any_usual_way(name, split):
  assert split_of(name) == split


def test_folders_of_splits_in_other_spellings_are_found(tmp_path):
  made.class_folders(tmp_path, "Training", "TEST")
  assert set(recognise(tmp_path).splits) == {"train", "test"}


def test_lists_that_are_gone_are_not_missed(tmp_path, first):
  """A tenth is held out by name, as where lists name the same."""
  made.voc(tmp_path)
  for path in (tmp_path / "ImageSets" / "Main").iterdir():
    path.unlink()
  own = Own(str(tmp_path), "boxes")
  assert own.split_names() == ("train", "val")
  assert len(own.open("train")) + len(own.open("val")) == 36
  beside = tmp_path / "beside"
  made.voc_by_split(beside)
  flat = Own(str(beside / "train"), "boxes")
  assert [i for i, _ in seen(flat.open("val"))] == held_out(
    "boxes", first["boxes"]
  )


def test_a_folder_of_two_layouts_says_what_decides(tmp_path):
  made.class_folders(tmp_path)
  table = [("filename", "label"), *((f"{i}.png", 0) for i in range(30))]
  made.table(tmp_path, table)
  with pytest.raises(DataError, match=r"2 ways: class_folders .*; csv .*"):
    recognise(tmp_path)
  with pytest.raises(DataError, match=r"--config\.layout=class_folders or"):
    recognise(tmp_path)
  assert recognise(tmp_path, "csv").layout == "csv"
  assert recognise(tmp_path, "class_folders").has == "labels"
  with pytest.raises(DataError, match=r"is class_folders .*; expected boxes"):
    recognise(tmp_path, has="boxes")
  with pytest.raises(DataError, match=r"layout: got 'vocs'; expected one of"):
    recognise(tmp_path, "vocs")


def test_a_folder_in_a_folder_stands_for_it(tmp_path):
  made.voc(tmp_path / "download" / "set")
  assert recognise(tmp_path / "download").layout == "voc"


@pytest.mark.parametrize(
  ("name", "layout", "sizes"),
  [
    ("bccd_voc", "voc", (205, 87, 72)),
    ("camvid", "masks", (367, 101, 233)),
    ("nuclei", "masks", (392, 37, 112)),
    ("tfds/mnist", "tfds", (60000, 10000)),
    ("tfds/cifar10", "tfds", (50000, 10000)),
    ("tfds/bccd", "tfds", (205, 87, 72)),
    ("restoration", "class_folders", (590,)),
  ],
)
def test_real_folders_are_recognised(data_root, name, layout, sizes):
  found = recognise(data_root / name)
  assert found.layout == layout
  opened = [found.splits[s]() for s in made_order(found)]
  assert tuple(map(len, opened)) == sizes


def made_order(found):
  return [s for s in ("train", "val", "test") if s in found.splits]


def test_a_folder_of_sets_says_to_take_one(data_root):
  with pytest.raises(DataError, match="sets bccd, cifar10, mnist; expected"):
    recognise(data_root / "tfds")


def test_a_real_folder_without_its_lists_is_one_set(data_root, tmp_path):
  for name in ("JPEGImages", "Annotations"):
    (tmp_path / name).symlink_to(data_root / "bccd_voc" / name)
  own = Own(str(tmp_path), "boxes")
  train, val = (own.open(s, on_bad_box="drop") for s in ("train", "val"))
  assert len(train) + len(val) == 364 and 30 <= len(val) <= 40
  assert own.whole("train").class_names == ("Platelets", "RBC", "WBC")
