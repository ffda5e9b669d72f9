"""The corpus: class folders, folders to predict on, prepared TFDS sets."""

import functools
import json

import numpy as np

from tests.corpus import cases, refuse
from tests.data.test_data_tfds_broken import IMAGE, INFO, described
from tests.data_fixtures import encode, random_image
from vision_jax.data.loader import Loader
from vision_jax.data.sources.folders import ImageFolder, split_folders
from vision_jax.data.sources.image_list import ImageList
from vision_jax.data.sources.tfds import TfdsSource
from vision_jax.data.transforms.image import decode, resize

GOOD = encode(random_image(16, 16))


def tree(*names, content=GOOD):
  """Writes files of these names; one that ends in / is an empty folder."""

  def write(folder):
    for name in names:
      path = folder / name
      path.parent.mkdir(parents=True, exist_ok=True)
      if name.endswith("/"):
        path.mkdir(exist_ok=True)
      else:
        path.write_bytes(content)

  return write


def classes(*writes, class_names=(), at=""):
  """Reads class folders."""

  def use(folder):
    for write in writes:
      write(folder)
    source = ImageFolder(folder / at, class_names)
    loader = Loader(source, [decode(), resize((8, 8))], batch_size=1)
    for number in range(len(source)):
      loader.batch(number)

  return use


def splits(*names):
  """Finds the folders of splits."""

  def use(folder):
    tree(*names)(folder)
    for path in split_folders(folder).values():
      len(ImageFolder(path))

  return use


def images(*names, at=""):
  """Lists the images of a folder."""

  def use(folder):
    tree(*names)(folder)
    len(ImageList(folder / at))

  return use


def dangling(folder):
  (folder / "cat").mkdir()
  (folder / "cat" / "a.jpg").symlink_to(folder / "nothing")


MANY = tuple(f"a class with a long name, the {i}th" for i in range(3_000))
PAIR = tree("cat/a.jpg", "dog/a.jpg")
FOLDERS = [
  ("no folder", classes(at="none"), "none: does not exist"),
  ("a file", classes(tree("x.jpg"), at="x.jpg"), "is a file"),
  ("nothing in it", classes(), "has no folders in it"),
  ("images alone", classes(tree("a.jpg", "b.jpg")), "has no folders in it"),
  ("hidden folders alone", classes(tree(".cat/a.jpg")), "has no folders in it"),
  ("an empty class", classes(PAIR, tree("owl/")), "no images .* owl"),
  ("a class of text", classes(PAIR, tree("owl/a.txt")), "no images .* owl"),
  ("3,000 empty classes", classes(tree(*(f"{n}/" for n in MANY))),
   "3000 in all"),
  ("a class too few", classes(PAIR, class_names=("cat", "dog", "owl")),
   r"lacks classes \[owl\]"),
  ("a class too many", classes(PAIR, class_names=("cat",)), r"folders \[dog\]"),
  ("a class twice", classes(PAIR, class_names=("cat", "dog", "cat")),
   "each once"),
  ("3,000 other classes", classes(PAIR, class_names=MANY), "3000 in all"),
  ("one name in two spellings",
   classes(tree("caf\u00e9/a.jpg", "cafe\u0301/a.jpg")), "twice"),
  ("a link to nothing", classes(dangling), r"a\.jpg: cannot be read"),
  ("an empty image", classes(tree("cat/a.jpg", content=b"")),
   r"a\.jpg.*empty"),
  ("half an image", classes(tree("cat/a.jpg", content=GOOD[:300])),
   r"a\.jpg.*whole"),
  ("text", classes(tree("cat/a.png", content=b"text")), r"a\.png.*format"),
]  # fmt: skip
SPLITS = [
  ("no train", splits("val/cat/a.jpg", "test/cat/a.jpg"), "no folder train"),
  ("train twice", splits("train/cat/a.jpg", "Train/cat/a.jpg"),
   "one folder for"),
  ("two words for val", splits(
    "train/cat/a.jpg", "val/cat/a.jpg", "valid/cat/a.jpg"), "one folder for"),
  ("classes beside", splits("train/cat/a.jpg", "dog/a.jpg"), "beside them dog"),
  ("no classes in val", splits("train/cat/a.jpg", "val/cat/"),
   "no images .*cat"),
  ("nothing", lambda folder: split_folders(folder / "x"), "does not exist"),
]  # fmt: skip
LISTS = [
  ("none", images(), "has no images"),
  ("text", images("a.txt", "b.json"), "has no images"),
  ("hidden ones alone", images("cat/.a.jpg"), "has no images"),
  ("no folder", images(at="none"), "does not exist"),
  ("a file", images("a.xyz", at="a.xyz"), "is a file of another kind"),
]


@cases([*FOLDERS, *SPLITS, *LISTS])
def test_folders_of_images(tmp_path, use, pattern):
  refuse(use, tmp_path, pattern)


def prepared(split="test", keys=None, name="owls", **files):
  """Reads a prepared set; `files` replaces the content of its json files."""

  def use(folder):
    version = folder / "owls" / "1.0.0"
    version.mkdir(parents=True)
    right = {"dataset_info": INFO, "features": described(IMAGE)}
    for key, content in (right | files).items():
      text = content if isinstance(content, str) else json.dumps(content)
      if content is not None:
        (version / f"{key}.json").write_text(text)
    source = TfdsSource(name, split, folder, keys or {"image": "image"})
    source.read(np.arange(len(source))[:1])

  return use


info = functools.partial(dict, INFO)
SETS = [
  ("no such set", prepared(name="cats"), "cats: not prepared in"),
  ("no such version", prepared(name="owls:2.0.0"),
   r"owls:2\.0\.0: not prepared"),
  ("no such split", prepared("val"), r"'val'.*expected one of.*test"),
  ("a split of noise", prepared("test["), r"test\["),
  ("a percentage of 150", prepared("test[:150%]"), "150"),
  ("no such feature", prepared(keys={"image": "depth"}), "no feature depth"),
  ("no description", prepared(dataset_info=None), "not prepared"),
  ("no features", prepared(features=None), r"features\.json cannot be read"),
  ("an empty description", prepared(dataset_info=""), r"dataset_info\.json"),
  ("a list", prepared(dataset_info="[]"), r"dataset_info\.json"),
  ("half", prepared(dataset_info=json.dumps(INFO)[:60]), r"dataset_info\.json"),
  ("a split is a number", prepared(dataset_info=info(splits=[3])), "owls"),
  ("no splits", prepared(dataset_info=info(splits=[])), "owls"),
  ("features of noise", prepared(features="{"), r"features\.json cannot"),
  ("features without any", prepared(features="{}"), "owls"),
  ("somebody's features", prepared(features=described("evil.Feature")),
   r"classes .*evil\.Feature"),
  ("no records", prepared(), r"owls test \[0\]: cannot be read"),
  ("parquet", prepared(dataset_info=info(fileFormat="parquet")), "owls"),
  ("a format of noise", prepared(dataset_info=info(fileFormat="owl")), "owls"),
]  # fmt: skip


@cases(SETS)
def test_prepared_sets(tmp_path, use, pattern):
  refuse(use, tmp_path, pattern)


def test_right_ones_are_read(tmp_path):
  """What the cases above differ from by one thing is right."""
  classes(PAIR)(tmp_path)
