"""MNIST's IDX files, EMNIST's and Fashion-MNIST's, compressed or not."""

import functools
import pathlib
import re

from vision_jax.data.errors import DataError, some
from vision_jax.data.files import files_in, folders_in
from vision_jax.data.found import LABELS, SPLITS, Found, Open, checked
from vision_jax.data.sources.arrays_labelled import read_idx
from vision_jax.data.sources.labelled import LabelledSource

_NAME = re.compile(
  r"(?P<set>.*?)(?P<split>train|test|t10k|val)[-_](?P<what>images|labels)"
  r"[-_.]idx[13][-_.]ubyte(\.gz)?",
  re.IGNORECASE,
)
_SPLIT = {"train": "train", "val": "val", "test": "test", "t10k": "test"}


def recognise(folder: pathlib.Path) -> Found | None:
  """Takes files named as MNIST's; of several sets beside each other none."""
  sets = _sets(folder) or next(
    (found for p in folders_in(folder).values() if (found := _sets(p))), {}
  )
  if not sets:
    return None
  if len(sets) > 1:
    raise DataError(
      f"data folder {folder}: has IDX files of {some(sorted(sets))}; expected "
      "one set. Move the others elsewhere."
    )
  ((name, files),) = sets.items()
  where = next(iter(files.values())).parent
  splits: dict[str, Open] = {}
  for split in SPLITS:
    images, labels = files.get((split, "images")), files.get((split, "labels"))
    if images and labels:
      load = functools.partial(
        *(read_idx, images, labels, _names(where, name), "emnist" in name)
      )
      splits[split] = functools.partial(LabelledSource, load, str(images))
  shown = some(path.name for path in files.values())
  return Found("idx", LABELS, shown, checked(splits, folder))


def _sets(
  folder: pathlib.Path,
) -> dict[str, dict[tuple[str, str], pathlib.Path]]:
  """Returns the files of each set by split and what they have."""
  sets: dict[str, dict[tuple[str, str], pathlib.Path]] = {}
  for path in files_in(folder, "ubyte", "ubyte.gz"):
    if given := _NAME.fullmatch(path.name):
      key = (_SPLIT[given["split"].lower()], given["what"].lower())
      sets.setdefault(given["set"].strip("-_").lower(), {})[key] = path
  return sets


def _names(folder: pathlib.Path, name: str) -> tuple[str, ...]:
  """Returns EMNIST's characters, whose mapping lies beside its files."""
  path = folder / f"{name}-mapping.txt"
  if not path.is_file():
    return ()
  rows = [line.split() for line in path.read_text().split("\n") if line.strip()]
  named = {int(row[0]): chr(int(row[1])) for row in rows}
  # Its letters count from 1; a class that no image has would stay empty.
  whole = set(named) == set(range(len(named)))
  return tuple(named[i] for i in range(len(named))) if whole else ()
