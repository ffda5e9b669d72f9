"""Sets that tensorflow-datasets has prepared."""

import functools
import json
import pathlib
import re

from vision_jax.data.errors import DataError, some
from vision_jax.data.files import folders_in
from vision_jax.data.found import (
  BOXES,
  LABELS,
  SPLITS,
  Found,
  Open,
  checked,
  split_of,
)
from vision_jax.data.sources.tfds import TfdsSource
from vision_jax.data.sources.tfds_detection import TfdsDetection
from vision_jax.data.sources.tfds_labelled import TfdsLabelled

_INFO = "dataset_info.json"
_KINDS = {BOXES: TfdsDetection, LABELS: TfdsLabelled}


def recognise(folder: pathlib.Path) -> Found | None:
  """Takes a version's folder, that of its set, or one that has a single set."""
  places = _versions(folder)
  if not places:
    inside = folders_in(folder).values()
    sets = [(path, found) for path in inside if (found := _versions(path))]
    if len(sets) > 1:
      names = [path.name for path, _ in sets]
      raise DataError(
        f"data folder {folder}: has the prepared sets {some(names)}; expected "
        f"one. Take its own folder, as in --config.data_dir={sets[0][0]}."
      )
    places = sets[0][1] if sets else []
  return _found(max(places, key=_version)) if places else None


def _versions(folder: pathlib.Path) -> list[pathlib.Path]:
  if _is_hugging_face(folder):
    return []
  at = [folder, *folders_in(folder).values()]
  return [p for p in at if _version(p) and (p / _INFO).is_file()]


def _is_hugging_face(folder: pathlib.Path) -> bool:
  return (folder / "state.json").is_file()


def _version(folder: pathlib.Path) -> list[int]:
  given = re.fullmatch(r"\d+\.\d+\.\d+", folder.name)
  return [int(n) for n in folder.name.split(".")] if given else []


def _found(folder: pathlib.Path) -> Found:
  info = _json(folder / _INFO)
  features = json.dumps(_json(folder / "features.json"))
  name = str(info.get("name"))
  has = BOXES if '"objects"' in features else LABELS
  theirs = [str(split.get("name")) for split in info.get("splits", [])]
  named = {split: t for t in theirs if (split := split_of(t))}
  splits: dict[str, Open] = {
    s: functools.partial(_open, has, f"{name}:{folder.name}", named[s], folder)
    for s in SPLITS
    if s in named
  }
  why = f"{name} {folder.name}, prepared by tensorflow-datasets"
  return Found("tfds", has, why, checked(splits, folder))


def _open(
  has: str,
  name: str,
  split: str,
  folder: pathlib.Path,
  *,
  one_based: bool = False,
  **given: object,
) -> TfdsSource | TfdsDetection:
  del one_based  # boxes are fractions
  return _KINDS[has](name, split, folder, **given)


def _json(path: pathlib.Path) -> dict:
  try:
    content = json.loads(path.read_bytes())
  except (OSError, ValueError) as error:
    raise DataError(
      f"prepared set {path.parent}: {path.name} cannot be read ({error}); "
      "expected the json that tensorflow-datasets writes. Prepare it anew."
    ) from error
  return content if isinstance(content, dict) else {}
