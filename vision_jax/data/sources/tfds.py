"""Prepared TFDS sets in array_record files, read without TensorFlow."""

import contextlib
import functools
import json
import os
import pathlib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from vision_jax.data.errors import BadImage, DataError, some
from vision_jax.data.pickled import AsMade, Lock
from vision_jax.data.source import Example, short_hash

if TYPE_CHECKING:  # 0.4 s to import
  import tensorflow_datasets as tfds
  from tensorflow_datasets.core.data_sources.array_record import (
    ArrayRecordDataSource as Records,
  )

ENVIRONMENT = "VISION_JAX_DATA"
_TFDS = "tensorflow_datasets."
_CLASS_KEYS = ("pythonClassName", "python_class_name", "type")
_KEYS = {"image": "image", "label": "label"}


class TfdsSource(AsMade):
  """A split of any prepared TFDS set; images stay encoded.

  Args:
    name: "mnist", or with a version, "mnist:3.0.1"; a set with configurations
      is "name/config". Without a version it is the highest that is there.
    split: such as "train", "train[:55000]", "train[90%:]" or "train+test".
    data_dir: the folder that has the set's folder, or whose child `tfds` has,
      or the set's own folder; None or "" takes the environment variable
      VISION_JAX_DATA.
    keys: our key -> the set's feature.

  Raises:
    DataError: on first use, if the set, split or feature is not there.
  """

  def __init__(
    self,
    name: str,
    split: str,
    data_dir: str | os.PathLike[str] | None = None,
    keys: Mapping[str, str] = _KEYS,
  ):
    self.name, self.split = name, split
    self.data_dir, self.keys = data_dir, dict(keys)
    self._lock = Lock()

  @functools.cached_property
  def folder(self) -> pathlib.Path:
    """The prepared version's folder."""
    return find_prepared(self.name, self.data_dir)

  @functools.cached_property
  def _builder(self) -> "tfds.core.DatasetBuilder":
    import tensorflow_datasets as tfds  # 0.4 s to import

    check_features(self.folder / "features.json")
    try:
      return tfds.builder_from_directory(self.folder)
    except Exception as error:  # of json, protobuf, etils and its own
      raise DataError(
        f"tfds set {self.name}: {self.folder} cannot be opened ({error}); "
        "expected a whole dataset_info.json and features.json. Prepare the set "
        "anew."
      ) from error

  @functools.cached_property
  def _opened(self) -> "Records":
    from tensorflow_datasets import decode

    _check_keys(self.name, self.keys, self._builder.info.features)
    images = {
      feature: decode.SkipDecoding()
      for feature in self.keys.values()
      if _kind(self._builder.info.features[feature]) == "Image"
    }
    try:
      opened = self._builder.as_data_source(self.split, decoders=images)
      expected = self._builder.info.splits[self.split].num_examples
    except (ValueError, KeyError, AttributeError, OSError) as error:
      raise DataError(
        f"tfds set {self.name}: got split {self.split!r}, which cannot be read "
        f"({error}); expected one of {some(self._builder.info.splits)}, or "
        "a part such as 'train[:90%]'."
      ) from error
    except NotImplementedError as error:
      raise DataError(
        f"tfds set {self.name} in {self.folder}: is in a format that has no "
        f"random access ({error}); expected array_record. Prepare it with "
        "file_format='array_record'."
      ) from error
    except Exception as error:  # of array_record, pyarrow and etils
      raise DataError(
        f"tfds set {self.name}: the files of {self.split!r} in {self.folder} "
        f"cannot be opened ({error}); expected all that dataset_info.json "
        "names. Copy or prepare the set anew."
      ) from error
    if len(opened) != expected:  # parts of parquet files are the whole file
      raise DataError(
        f"tfds set {self.name}: split {self.split!r} gives {len(opened)} "
        f"examples; expected {expected}. Prepare the set with "
        "file_format='array_record'."
      )
    return opened

  def _open(self) -> "Records":
    with self._lock:  # opening is not safe from several threads
      return self._opened

  @property
  def class_names(self) -> tuple[str, ...]:
    """Names of the classes of `label`; empty where it has none."""
    label = self._label()
    return tuple(label.names) if label is not None else ()

  @property
  def num_classes(self) -> int | None:
    """Number of classes of `label`; None where it has none."""
    label = self._label()
    return label.num_classes if label is not None else None

  def feature(self, name: str) -> "tfds.features.FeatureConnector":
    """Returns the set's description of a feature."""
    self._open()
    return self._builder.info.features[name]

  def _label(self) -> "tfds.features.ClassLabel | None":
    self._open()
    if "label" not in self.keys:
      return None
    label = self._builder.info.features[self.keys["label"]]
    return label if _kind(label) == "ClassLabel" else None

  def __len__(self) -> int:
    return len(self._open())

  def read(self, indices: np.ndarray) -> list[Example]:
    """Returns examples with encoded images."""
    indices = [int(i) for i in indices]
    opened = self._open()
    try:
      rows = opened.__getitems__(indices)
    except Exception as error:  # of array_record, riegeli, protobuf and numpy
      if len(indices) == 1:
        reason = f"cannot be read from {self.folder} ({error})"
        raise BadImage(self._name(indices[0]), reason) from error
      return [self.read([i])[0] for i in indices]  # says which
    return [self._example(i, row) for i, row in zip(indices, rows, strict=True)]

  def _name(self, i: int) -> str:
    return f"{self.name} {self.split} [{i}]"

  def _example(self, i: int, row: Mapping[str, object]) -> Example:
    example: Example = {"name": self._name(i)}
    for ours, theirs in self.keys.items():
      value = row[theirs]
      # Numbers come as 64 bits, which jax would cut down without a word.
      if not isinstance(value, bytes | str):
        value = np.asarray(value)
        if value.dtype == np.int64:
          value = value.astype(np.int32)
      example[ours] = value
    return example

  def fingerprint(self) -> str:
    """Returns a hash of the set's description, and its files' sizes."""
    files = sorted(p for p in self.folder.iterdir() if p.is_file())
    sizes = [(p.name, p.stat().st_size) for p in files]
    info = (self.folder / "dataset_info.json").read_bytes()
    return short_hash(self.split, sorted(self.keys.items()), sizes, info)


def find_prepared(
  name: str, data_dir: str | os.PathLike[str] | None
) -> pathlib.Path:
  """Returns the folder of a prepared set's version.

  Raises:
    DataError: if it is not there.
  """
  base, _, version = name.partition(":")
  given = data_dir or os.environ.get(ENVIRONMENT)
  if not given:
    raise DataError(
      f"tfds set {name}: no folder given; expected --config.data_dir=FOLDER or "
      f"the environment variable {ENVIRONMENT}, a folder that has {base}/."
    )
  root = pathlib.Path(given)
  if not root.is_dir():
    raise DataError(
      f"tfds set {name}: the data folder {root} does not exist; check "
      f"--config.data_dir or {ENVIRONMENT}."
    )
  places = [root / base, root / "tfds" / base]
  if base.split("/")[-1] in (root.name, root.parent.name):
    places += [root, root.parent]
  found = {p for place in places for p in _versions(place)}
  if version:
    found = {p for p in found if p.name == version}
  if not found:
    raise DataError(
      f"tfds set {name}: not prepared in {root}; expected "
      f"{root / base}/{version or 'VERSION'}/dataset_info.json, or the same "
      f"under {root / 'tfds'}. Prepare it with tensorflow-datasets "
      "(file_format='array_record'), or pass --config.data_dir=FOLDER."
    )
  return max(found, key=lambda p: [int(n) for n in p.name.split(".")])


def check_features(path: pathlib.Path) -> None:
  """Checks that a set's description names classes of the library alone.

  It imports the module of each class that a features.json names, and so would
  run any file of the current folder.

  Raises:
    DataError: if the file names another class, or is no json.
  """
  try:
    strange = sorted(set(_classes(json.loads(path.read_bytes()))))
  except (OSError, ValueError, RecursionError) as error:
    raise DataError(
      f"tfds set {path.parent}: {path.name} cannot be read ({error}); expected "
      "the json that tensorflow-datasets writes. Prepare the set anew."
    ) from error
  strange = [name for name in strange if not name.startswith(_TFDS)]
  if strange:
    raise DataError(
      f"tfds set {path.parent}: {path.name} names the classes {some(strange)}; "
      f"expected those of {_TFDS.rstrip('.')} alone, since reading it imports "
      "their modules. Prepare the set with the library's own features."
    )


def _classes(value: object) -> Iterator[str]:
  """Yields the names of classes in a features.json, in all its versions."""
  if isinstance(value, str):  # a description inside a description, maybe
    with contextlib.suppress(ValueError):
      yield from _classes(json.loads(value))
  elif isinstance(value, list):
    for item in value:
      yield from _classes(item)
  elif isinstance(value, dict):
    for key, item in value.items():
      if key in _CLASS_KEYS and isinstance(item, str):
        yield item
      yield from _classes(item)


def _versions(place: pathlib.Path) -> list[pathlib.Path]:
  return [
    path.parent
    for path in place.glob("*/dataset_info.json")
    if re.fullmatch(r"\d+\.\d+\.\d+", path.parent.name)
  ]


def _check_keys(
  name: str, keys: Mapping[str, str], features: Iterable[str]
) -> None:
  missing = sorted(set(keys.values()) - set(features))
  if missing:
    raise DataError(
      f"tfds set {name}: has no feature {some(missing)}; it has "
      f"{some(sorted(features))}. Name them in `keys`."
    )


def _kind(feature: object) -> str:
  return type(feature).__name__
