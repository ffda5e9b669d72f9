"""A folder of any layout gives the same images, labels and split."""

import math

import numpy as np
import pytest

from tests.data import layouts_made as made
from vision_jax.data.errors import BadImage, DataError
from vision_jax.data.found import split_of
from vision_jax.data.own import Own
from vision_jax.data.recognise import config_of, known, recognise
from vision_jax.data.transforms.image import decode
from vision_jax.data.transforms.masks import decode_target
from vision_jax.errors import UserError
from vision_jax.recipe import recipe, resume

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


def loaded(config, folder, **values):
  return recipe.load(config, {"data_dir": str(folder)} | values)


def test_epochs_stand_for_steps(tmp_path):
  made.class_folders(tmp_path / "a")
  made.voc(tmp_path / "b")
  made.masks(tmp_path / "c")
  for has, folder in (("labels", "a"), ("boxes", "b"), ("masks", "c")):
    train = len(Own(str(tmp_path / folder), has).open("train"))
    more = {"batch_size": "4", "epochs": "2.5"}
    config = loaded(config_of(has), tmp_path / folder, **more).config
    assert config.steps == math.ceil(2.5 * train / 4)
    config = loaded(config_of(has), tmp_path / folder, steps="7").config
    assert config.steps == 7
    with pytest.raises(UserError, match=r"epochs: got 2\.5 with --config\.st"):
      loaded(config_of(has), tmp_path / folder, **more, steps="7")
  run = loaded(config_of("labels"), tmp_path / "a")
  with pytest.raises(UserError, match=r"epochs: got 3 .*expected --config\.st"):
    resume.override_saved(run, {"epochs": "3"}, tmp_path)
  with pytest.raises(UserError, match=r"config\.epochs: got -1"):
    loaded(config_of("labels"), tmp_path / "a", epochs="-1")


def test_rare_classes_count_alike_by_one_key(tmp_path):
  for name, number in (("many", 30), ("few", 10)):
    made.images(tmp_path / "train" / name, range(number))
    made.images(tmp_path / "val" / name, [90 + number])
  found = loaded(config_of("labels"), tmp_path, balance="true")
  assert tuple(found.config.class_names) == ("few", "many")
  assert tuple(found.config.class_weights) == (2.0, 0.6667)  # 40/(2*10), ...
  assert found.build().task.class_weights == (2.0, 0.6667)
  plain = loaded(config_of("labels"), tmp_path)
  assert plain.build().task.class_weights is None


def test_lists_are_given_as_people_type_them(tmp_path):
  made.voc(tmp_path)
  values = {"class_names": "2, 1,0", "splits": "train,test,"}
  config = loaded(config_of("boxes"), tmp_path, **values).config
  assert tuple(config.class_names) == ("2", "1", "0")
  assert tuple(config.splits) == ("train", "test", "")


def test_a_damaged_image_is_named_itself(tmp_path):
  """Not the annotation that is beside it."""
  for make in made.BOXES:
    if make.__name__ in ("parquet_of_boxes",):  # it has no file of its own
      continue
    make(tmp_path / make.__name__)
    (path,) = (tmp_path / make.__name__).rglob("3.png")
    path.write_bytes(path.read_bytes()[:-40])
    source = Own(str(tmp_path / make.__name__), "boxes").whole("train")
    with pytest.raises(BadImage) as caught:
      seen(source)
    assert caught.value.name == str(path)


def test_a_flat_folder_of_real_boxes_trains_by_one_flag(data_root, tmp_path):
  """150 images and their xml beside each other."""
  root = data_root / "bccd_voc"
  for path in sorted((root / "Annotations").iterdir())[:150]:
    (tmp_path / path.name).symlink_to(path)
    image = root / "JPEGImages" / f"{path.stem}.jpg"
    (tmp_path / image.name).symlink_to(image)
  found = loaded(config_of("boxes"), tmp_path, batch_size="4", threads="2")
  with found.build() as experiment:
    assert (
      len(experiment.train_data.source)
      + len(experiment.evals["val"].data.source)
      == 150
    )
    batch = experiment.train_data.batch(0)
  assert np.isfinite(batch["boxes"]).all() and batch["box_mask"].sum() > 4
