"""WebDataset's tars: files of one name are an example."""

import functools
import pathlib

from vision_jax.data.errors import some
from vision_jax.data.files import files_in, folders_in
from vision_jax.data.found import LABELS, Found, by_split
from vision_jax.data.sources.labelled import LabelledSource
from vision_jax.data.sources.tars import begins_as_examples, read_tars


def recognise(folder: pathlib.Path) -> Found | None:
  """Takes tars whose first example has an image and a class."""
  inside = folders_in(folder).values()
  files = [path for at in (folder, *inside) for path in files_in(at, ".tar")]
  if not files or not begins_as_examples(files[0]):
    return None
  opened = {
    split: functools.partial(
      LabelledSource,
      functools.partial(read_tars, paths, _names(folder)),
      f"tars {some((p.name for p in paths), 3)}, {split}",
    )
    for split, paths in by_split(folder, files, "the tar").items()
  }
  shown = some((p.relative_to(folder).as_posix() for p in files), 3)
  return Found("webdataset", LABELS, shown, opened)


def _names(folder: pathlib.Path) -> tuple[str, ...]:
  for name in ("classes.txt", "classnames.txt", "labels.txt"):
    if (folder / name).is_file():
      lines = (folder / name).read_text(encoding="utf-8-sig").split("\n")
      return tuple(line.strip() for line in lines if line.strip())
  return ()
