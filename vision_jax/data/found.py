"""What a layout says of a folder of its own, and how splits are spelled."""

import dataclasses
import pathlib
import re
from collections.abc import Callable, Mapping, Sequence

from vision_jax.data.errors import DataError
from vision_jax.data.source import Source

SPLITS = ("train", "val", "test")
LABELS, BOXES, MASKS = KINDS = ("labels", "boxes", "masks")
# How a split is called, in any case and with any of `_BESIDE` around it.
_SPELLINGS = {
  "train": {"train", "training", "trn"},
  "val": {"val", "valid", "validation", "validate", "dev", "eval"},
  "test": {"test", "testing", "tst"},
}
_BESIDE = {
  *("set", "data", "dataset", "image", "images", "img", "imgs", "instances"),
  *(
    "mask",
    "masks",
    "label",
    "labels",
    "annotations",
    "boxes",
    "bbox",
    "batch",
  ),
  *("split", "of", "annot", "coco", "seg", "classification", "default"),
}
Open = Callable[..., Source]


@dataclasses.dataclass(frozen=True)
class Found:
  """A folder as one layout reads it; nothing but names has been looked at.

  Attributes:
    layout: name of the layout, as --config.layout has it.
    has: what examples have beside an image: "labels", "boxes" or "masks".
    why: what was taken, as in "Annotations/*.xml with JPEGImages".
    splits: name -> what opens its source, lazily; "train" is one of them, and
      others than train, val and test are used where they are asked for. Those
      with labels take `class_names`; those with boxes `on_bad_box`, `exact` and
      `one_based` too, see `VocSource`.
  """

  layout: str
  has: str
  why: str
  splits: Mapping[str, Open]

  def summary(self) -> str:
    """Returns what was found in words, without the folder."""
    splits = ", ".join(self.splits)
    return f"{self.layout} ({self.has}): {self.why}; splits {splits}"


def split_of(name: str) -> str | None:
  """Returns "train", "val" or "test" for a name that says so.

  Of a folder or file, as in Train, valid, val2017, training_set or
  instances_train2017; None for a name that says more than a split.
  """
  spelled = re.sub(r"([a-z])(?=[A-Z])", r"\1_", name).casefold()
  words = set(re.findall("[^\\W\\d_]+", spelled)) - _BESIDE
  for split, spellings in _SPELLINGS.items():
    if len(words) == 1 and words <= spellings:
      return split
  return None


def split_in(name: str) -> str | None:
  """Returns the split that one of a name's words is, as in mnist-train-00001.

  None where no word is, or words of several.
  """
  words = set(re.findall("[^\\W\\d_]+", name.casefold()))
  found = [split for split, known in _SPELLINGS.items() if words & known]
  return found[0] if len(found) == 1 else None


def by_split(
  folder: pathlib.Path, paths: Sequence[pathlib.Path], what: str
) -> dict[str, list[pathlib.Path]]:
  """Returns the files of each split by their names; all are train's if none is.

  Args:
    folder: the data's folder.
    paths: the files in it; a split is known by the file's name, or its
      folder's.
    what: what an error calls such a file.

  Raises:
    DataError: if some say their split and others do not.
  """
  name = lambda path: path.relative_to(folder)
  given = {
    path: split_in(path.stem)
    or next(filter(None, map(split_of, reversed(name(path).parts[:-1]))), None)
    for path in paths
  }
  if not any(given.values()):
    return {"train": list(paths)}
  silent = [str(name(path)) for path, split in given.items() if split is None]
  if silent:
    raise DataError(
      f"{folder}: {what} {silent[0]} says no split, and others do; expected "
      "train, val or test in the name of each. Rename it, or move it elsewhere."
    )
  found = {s: [p for p in paths if given[p] == s] for s in SPLITS}
  return checked({s: files for s, files in found.items() if files}, folder)


def checked(splits: dict, folder: pathlib.Path) -> dict:
  """Returns splits if one is to be trained on.

  Raises:
    DataError: if none is.
  """
  if "train" not in splits:
    raise DataError(
      f"{folder}: has the splits {', '.join(splits) or 'none'}; expected "
      "train, and where there are such val and test. Add it, or rename one."
    )
  return splits
