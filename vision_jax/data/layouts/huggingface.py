"""Hugging Face's `datasets` on disk: parquet, or arrow as saved to disk."""

import functools
import pathlib

from vision_jax.data.errors import DataError, some
from vision_jax.data.files import files_in, folders_in
from vision_jax.data.found import (
  BOXES,
  LABELS,
  SPLITS,
  Found,
  Open,
  by_split,
  checked,
)
from vision_jax.data.sources.boxed import BoxedSource
from vision_jax.data.sources.labelled import LabelledSource
from vision_jax.data.sources.tables import columns_of, read_boxes, read_labels


def recognise(folder: pathlib.Path) -> Found | None:
  """Takes parquet and arrow files with a column of images."""
  inside = folders_in(folder).values()
  deeper = [p for at in inside for p in folders_in(at).values()]
  files = [
    path
    for at in (folder, *inside, *deeper)
    for path in files_in(at, ".parquet", ".arrow")
  ]
  if not files:
    return None
  kind = files[0].suffix
  if any(path.suffix != kind for path in files):
    raise DataError(
      f"data folder {folder}: has {files[0].name} and files of another kind; "
      "expected parquet or arrow. Move one kind elsewhere."
    )
  columns = columns_of(files[0])
  has = BOXES if columns.objects else LABELS
  splits = by_split(folder, files, f"the {kind[1:]} file")
  opened = {s: _open(folder, has, splits[s], s) for s in SPLITS if s in splits}
  names = [path.relative_to(folder).as_posix() for path in files]
  both = f"{columns.image} and {columns.annotation}"
  why = f"{some(names, 3)} with the columns {both}"
  return Found("huggingface", has, why, checked(opened, folder))


def _open(
  folder: pathlib.Path, has: str, paths: list[pathlib.Path], split: str
) -> Open:
  read = read_boxes if has == BOXES else read_labels
  source = BoxedSource if has == BOXES else LabelledSource
  load = functools.partial(read, folder, paths)
  return functools.partial(source, load, f"tables in {folder}, {split}")
