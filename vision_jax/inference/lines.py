"""`predictions.jsonl`: a line of each image as soon as it is done."""

import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from etils import epath

from vision_jax.files import is_remote, open_own, replace_text, to_json


class Lines:
  """Appends lines, each by one call, so that a kill leaves whole ones.

  `close` brings them into the order of the images. An object store cannot
  append: there the file appears at the end.

  Args:
    path: the file; with the first line it is created.
  """

  def __init__(self, path: epath.Path):
    self.path = path
    self._lines: dict[pathlib.Path, str] = {}
    self._file: TextIO | None = None

  def __len__(self) -> int:
    return len(self._lines)

  def add(self, file: pathlib.Path, entry: Mapping[str, Any]) -> None:
    """Writes what there is to tell of an image."""
    text = to_json({"file": str(file)} | entry) + "\n"
    self._lines[file] = text
    if is_remote(self.path):
      return
    if self._file is None:
      self.path.parent.mkdir(parents=True, exist_ok=True)
      self._file = open_own(self.path)
    os.write(self._file.fileno(), text.encode())

  def close(self, files: Sequence[pathlib.Path]) -> None:
    """Has the lines in the order of `files`."""
    if self._file is not None:
      self._file.close()
    if self._file is None or [*self._lines] != [*files]:
      replace_text(self.path, "".join(map(self._lines.get, files)))
