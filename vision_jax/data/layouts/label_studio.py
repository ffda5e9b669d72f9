"""Label Studio's export as json: a list of tasks."""

import functools
import pathlib

from vision_jax.data.files import files_in
from vision_jax.data.found import Found, by_split
from vision_jax.data.sources.boxed import BoxedSource
from vision_jax.data.sources.exports import read_tasks, tasks_have
from vision_jax.data.sources.labelled import LabelledSource

_HEAD = 4096  # bytes of a file that tell what it is


def recognise(folder: pathlib.Path) -> Found | None:
  """Takes json that is a list, of objects with `data` and annotations."""
  files = [path for path in files_in(folder, ".json") if _is_export(path)]
  if not files:
    return None
  has = tasks_have(files[0])
  source = BoxedSource if has == "boxes" else LabelledSource
  opened = {
    split: functools.partial(
      source,
      functools.partial(read_tasks, folder, paths, has),
      f"Label Studio's {paths[0]}",
    )
    for split, paths in by_split(folder, files, "the export").items()
  }
  shown = ", ".join(path.name for path in files)
  return Found("label_studio", has, shown, opened)


def _is_export(path: pathlib.Path) -> bool:
  with path.open("rb") as file:
    head = file.read(_HEAD)
  begins = head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"[")
  return begins and (b'"annotations"' in head or b'"data"' in head)
