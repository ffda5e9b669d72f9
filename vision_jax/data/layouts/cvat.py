"""CVAT's export "for images": one annotations.xml."""

import functools
import pathlib

from vision_jax.data.files import files_in
from vision_jax.data.found import SPLITS, Found, checked
from vision_jax.data.sources.boxed import BoxedSource
from vision_jax.data.sources.exports import cvat_splits, read_cvat
from vision_jax.data.sources.labelled import LabelledSource

_HEAD = 2000  # bytes of a file that tell what it is


def recognise(folder: pathlib.Path) -> Found | None:
  """Takes an xml whose root is <annotations>."""
  for path in files_in(folder, ".xml"):
    with path.open("rb") as file:
      if b"<annotations>" not in file.read(_HEAD):
        continue
    has, splits = cvat_splits(path)
    source = BoxedSource if has == "boxes" else LabelledSource
    opened = {
      split: functools.partial(
        source,
        functools.partial(read_cvat, folder, path, split, has),
        f"CVAT file {path}, {split}",
      )
      for split in SPLITS
      if split in splits
    }
    return Found("cvat", has, path.name, checked(opened, folder))
  return None
