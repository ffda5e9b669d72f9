"""Arrays in npz files: one with all splits, or one for each."""

import functools
import pathlib
import zipfile

from vision_jax.data.errors import DataError, some
from vision_jax.data.files import files_in
from vision_jax.data.found import LABELS, SPLITS, Found, by_split, checked
from vision_jax.data.sources.arrays_labelled import read_npz
from vision_jax.data.sources.labelled import LabelledSource

# Keys of images and labels; "{}" is a split.
_KEYS = (
  *(("x_{}", "y_{}"), ("{}_images", "{}_labels"), ("X_{}", "Y_{}")),
  *(("{}_x", "{}_y"), ("{}_image", "{}_label"), ("X_{}", "y_{}")),
  *(("image", "label"), ("images", "labels"), ("x", "y"), ("X", "y")),
  *(("X", "Y"), ("data", "labels"), ("data", "target")),
)
_SPELLED = {
  "train": ("train", "training"),
  "val": ("val", "valid", "validation"),
  "test": ("test", "testing"),
}


def recognise(folder: pathlib.Path) -> Found | None:
  """Takes npz files whose arrays are named as images and labels."""
  files = files_in(folder, ".npz")
  if not files:
    return None
  if len(files) == 1:
    given = _splits(files[0])
    splits = {s: (files[0], given[s]) for s in SPLITS if s in given}
  else:
    named = by_split(folder, files, "the npz file")
    splits = {
      s: (paths[0], _splits(paths[0])["train"]) for s, paths in named.items()
    }
  opened = {
    split: functools.partial(
      LabelledSource,
      functools.partial(read_npz, path, *keys),
      f"npz file {path}, {split}",
    )
    for split, (path, keys) in checked(splits, folder).items()
  }
  shown = some(path.name for path in files)
  keys = ", ".join(key for pair in splits.values() for key in pair[1])
  return Found("npz", LABELS, f"{shown} with the arrays {keys}", opened)


def _splits(path: pathlib.Path) -> dict[str, tuple[str, str]]:
  """Returns the keys of each split's images and labels."""
  names = _names(path)
  found: dict[str, tuple[str, str]] = {}
  for images, labels in _KEYS:
    for split, spellings in _SPELLED.items():
      for word in spellings if "{}" in images else ("",) * (split == "train"):
        pair = images.format(word), labels.format(word)
        if {*pair} <= names:
          found.setdefault(split, pair)
  if "train" not in found:
    raise DataError(
      f"npz file {path}: has the arrays {some(sorted(names)) or 'none'}; "
      "expected images and labels, such as image and label, x_train and "
      "y_train, or train_images and train_labels. Save them under such names."
    )
  return found


def _names(path: pathlib.Path) -> set[str]:
  try:
    with zipfile.ZipFile(path) as file:
      return {name.removesuffix(".npy") for name in file.namelist()}
  except (OSError, zipfile.BadZipFile) as error:
    raise DataError(
      f"npz file {path}: cannot be read ({error}); expected arrays saved by "
      "numpy.savez. Save it anew."
    ) from error
