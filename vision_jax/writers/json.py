"""What `predictions.jsonl` says of the images, as one list."""

import pathlib
from typing import Any

from vision_jax.files import replace_text, to_json
from vision_jax.writers.base import About, Row
from vision_jax.writers.line import line


class JsonWriter:
  """Writes `predictions.json`: an object for each image that could be read.

  It has `file`, and what `line` says of the outputs: an image's class with the
  probabilities of the likeliest, its boxes, each class's part of it, or
  its text.
  """

  needs = ()
  one_of = ("logits", "boxes", "target", "text")

  def __init__(self, about: About):
    self._about = about
    self._entries: list[dict[str, Any]] = []

  def __call__(self, file: pathlib.Path, row: Row, name: str) -> None:
    """Keeps what there is to tell of an image."""
    del name
    self._entries.append({"file": str(file)} | line(row, self._about))

  def close(self) -> None:
    """Writes the list."""
    path = self._about.output / "predictions.json"
    replace_text(path, to_json(self._entries, indent=1))
