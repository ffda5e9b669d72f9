"""Prepared TFDS sets that are broken, or that would run somebody's code."""

import json
import shutil
import sys

import numpy as np
import pytest

from vision_jax.data.errors import BadImage, DataError
from vision_jax.data.loader import Loader
from vision_jax.data.sources.tfds import TfdsSource
from vision_jax.data.transforms.image import decode, resize

IMAGE = "tensorflow_datasets.core.features.image_feature.Image"
DICT = "tensorflow_datasets.core.features.features_dict.FeaturesDict"
EVIL = "evil_features.Feature"
INFO = {
  "name": "owls",
  "version": "1.0.0",
  "fileFormat": "array_record",
  "moduleName": "evil_module",
  "splits": [
    {
      "name": "test",
      "shardLengths": ["1"],
      "numBytes": "1",
      "filepathTemplate": "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}",
    }
  ],
}


def described(inner, outer=DICT, key="pythonClassName"):
  image = {"dtype": "uint8", "shape": {"dimensions": ["-1", "-1", "3"]}}
  features = {"image": {key: inner, "image": image}}
  return {key: outer, "featuresDict": {"features": features}}


def legacy(inner):
  content = {"shape": [None] * 2 + [3], "dtype": "uint8"}
  content |= {"encoding_format": "png", "use_colormap": False}
  image = {"type": inner, "content": content}
  return {"type": DICT, "content": {"image": image}}


@pytest.fixture
def owls(tmp_path, monkeypatch):
  """A set's folder without records; modules of the working folder tell."""
  folder = tmp_path / "owls" / "1.0.0"
  folder.mkdir(parents=True)
  (folder / "dataset_info.json").write_text(json.dumps(INFO))
  (folder / "features.json").write_text(json.dumps(described(IMAGE)))
  for name in ("evil_features", "evil_module"):
    (tmp_path / f"{name}.py").write_text("raise SystemExit('it ran')")
  monkeypatch.syspath_prepend(tmp_path)
  return folder


FOREIGN = {
  "inner": described(EVIL),
  "outer": described(IMAGE, outer=EVIL),
  "spelled as in the description": described(EVIL, key="python_class_name"),
  "old": legacy(EVIL),
  "text in the old": {"type": DICT, "content": json.dumps(described(EVIL))},
  "nearly": described("tensorflow_datasets_evil.Feature"),
}


@pytest.mark.parametrize("case", FOREIGN)
def test_no_other_package_is_imported(owls, case):
  (owls / "features.json").write_text(json.dumps(FOREIGN[case]))
  source = TfdsSource("owls", "test", owls, {"image": "image"})
  with pytest.raises(DataError, match=r"names the classes .*evil.*expected"):
    len(source)
  assert "evil_features" not in sys.modules


@pytest.mark.parametrize("features", [described(IMAGE), legacy(IMAGE)])
def test_the_librarys_own_classes_are_read(owls, features):
  (owls / "features.json").write_text(json.dumps(features))
  source = TfdsSource("owls", "test", owls, {"image": "image"})
  assert len(source) == 1 and type(source.feature("image")).__name__ == "Image"
  assert "evil_module" not in sys.modules
  with pytest.raises(BadImage, match=r"owls test \[0\]: cannot be read from"):
    source.read(np.array([0]))  # there is no such file


BROKEN = {
  "empty": "",
  "no object": "[]",
  "nothing": "{}",
  "null": "null",
  "cut": json.dumps(INFO)[:60],
  "no splits": json.dumps(INFO | {"splits": []}),
  "split is a number": json.dumps(INFO | {"splits": [3]}),
  "no bytes": "\xff\xfe",
}


@pytest.mark.parametrize("name", ["dataset_info.json", "features.json"])
@pytest.mark.parametrize("case", BROKEN)
def test_broken_descriptions_are_named(owls, case, name):
  (owls / name).write_text(BROKEN[case], encoding="latin-1")
  with pytest.raises(DataError, match=r"(?s)tfds set .*; expected"):
    len(TfdsSource("owls", "test", owls, {"image": "image"}))


@pytest.fixture
def bccd(data_root, tmp_path):
  """A copy of a real set's test split."""
  folder = tmp_path / "bccd" / "1.0.0"
  folder.mkdir(parents=True)
  for path in (data_root / "tfds" / "bccd" / "1.0.0").iterdir():
    if "train" not in path.name and "validation" not in path.name:
      shutil.copy(path, folder)
  return folder


def open_bccd(folder):
  return TfdsSource("bccd", "test", folder, {"image": "image"})


@pytest.mark.parametrize("damage", ["empty", "cut", "zeros", "gone"])
def test_records_that_are_broken_are_bad_images(bccd, damage):
  (file,) = bccd.glob("*.array_record*")
  data = file.read_bytes()
  broken = {"empty": b"", "cut": data[:-99], "zeros": bytes(len(data))}
  file.unlink()
  if damage != "gone":
    file.write_bytes(broken[damage])
  with pytest.raises(BadImage, match=r"bccd test \[0\]: cannot be read from"):
    open_bccd(bccd).read(np.arange(3))


def test_a_flipped_record_is_named_and_may_be_skipped(bccd):
  (file,) = bccd.glob("*.array_record*")
  data = bytearray(file.read_bytes())
  data[30_000] ^= 1  # in the second image
  file.write_bytes(data)
  with pytest.raises(BadImage, match=r"bccd test \[1\]: cannot be read"):
    open_bccd(bccd).read(np.arange(4))
  transforms = [decode(), resize((8, 8))]
  loader = Loader(open_bccd(bccd), transforms, 72, on_bad_image="skip")
  mask = next(loader.epoch())["mask"]
  assert mask[1] == 0 and mask.sum() == 71 and loader.skipped == 1
