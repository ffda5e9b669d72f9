"""Which layout a folder of data has: every file of `layouts` is asked."""

import functools
import importlib
import os
import pathlib
import pkgutil
from collections.abc import Callable, Sequence

from vision_jax.data import layouts
from vision_jax.data.errors import DataError, some
from vision_jax.data.files import find_images, folders_in
from vision_jax.data.found import Found

Recognise = Callable[[pathlib.Path], Found | None]
# Where a config for each kind of data lies in configs/.
_CONFIGS = {
  "labels": "classification/folder_resnet18.py",
  "boxes": "detection/voc_detr.py",
  "masks": "segmentation/folder_unet.py",
}


def config_of(has: str) -> str:
  """Returns the path of a config for "labels", "boxes" or "masks"."""
  return f"configs/{_CONFIGS[has]}"


@functools.cache
def known() -> dict[str, Recognise]:
  """Returns each layout's function by its name, that of its file."""
  names = [module.name for module in pkgutil.iter_modules(layouts.__path__)]
  path = layouts.__name__
  return {
    name: importlib.import_module(f"{path}.{name}").recognise
    for name in sorted(names)
  }


def recognise(
  folder: str | os.PathLike[str], layout: str = "", has: str = ""
) -> Found:
  """Returns what a folder of data is.

  Args:
    folder: the data's folder; one that holds a single folder and no image
      stands for that.
    layout: the layout to take; "" asks them all.
    has: what is wanted, "labels", "boxes" or "masks"; "" takes any.

  Raises:
    DataError: if it is none, or several, saying which, and what decides.
  """
  folder = pathlib.Path(folder)
  _check(folder, layout)
  asked = [layout] if layout else list(known())
  found, near = _ask(folder, asked)
  inside = folders_in(folder) if not found else {}
  if len(inside) == 1 and not find_images(folder, nested=False).files:
    deeper, more = _ask(*inside.values(), asked)
    found, near = deeper, near + more
  fitting = [f for f in found if not has or f.has == has]
  if not fitting:
    raise _none(folder, layout, has, found, near)
  if len(fitting) > 1:
    raise _several(folder, fitting)
  return fitting[0]


def candidates(folder: pathlib.Path) -> list[Found]:
  """Returns all that a folder may be."""
  return _ask(folder, list(known()))[0]


def _check(folder: pathlib.Path, layout: str) -> None:
  if layout and layout not in known():
    raise DataError(
      f"--config.layout: got {layout!r}; expected one of {', '.join(known())}, "
      "or nothing to have it found out."
    )
  if not folder.is_dir():
    what = "is a file" if folder.exists() else "does not exist"
    raise DataError(
      f"data folder {folder}: {what}; expected a folder. Check "
      "--config.data_dir."
    )


def _ask(
  folder: pathlib.Path, names: Sequence[str]
) -> tuple[list[Found], list[DataError]]:
  """Returns what layouts say of a folder, and what keeps others from it."""
  found, near = [], []
  for name in names:
    try:
      one = known()[name](folder)
    except DataError as error:
      near.append(error)
    else:
      found += [one] if one else []
  return found, near


def _none(
  folder: pathlib.Path,
  layout: str,
  has: str,
  found: Sequence[Found],
  near: Sequence[DataError],
) -> DataError:
  if found:
    return DataError(
      f"data folder {folder}: is {some(f.summary() for f in found)}; expected "
      f"{has}. Take the config for it, such as {config_of(found[0].has)}."
    )
  if near:
    return near[0]
  expected = layout or f"one of {', '.join(known())}"
  return DataError(
    f"data folder {folder}: has {_contents(folder)}, which is no layout that "
    f"is known; expected {expected}. `python -m vision_jax.main --mode=check "
    "--config.data_dir=FOLDER` says what is found; class folders are "
    "train/CLASS/*.jpg, or CLASS/*.jpg alone."
  )


def _several(folder: pathlib.Path, found: Sequence[Found]) -> DataError:
  listed = "; ".join(f"{f.layout} ({f.why})" for f in found)
  names = " or ".join(f"--config.layout={f.layout}" for f in found)
  return DataError(
    f"data folder {folder}: may be read in {len(found)} ways: {listed}; "
    f"expected one. Say which, {names}, or move the others elsewhere."
  )


def _contents(folder: pathlib.Path) -> str:
  """Returns what lies directly in a folder, in words."""
  entries = sorted(os.listdir(folder))
  return some(entries) if entries else "nothing in it"
