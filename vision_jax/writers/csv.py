"""Classes, boxes or texts as a table."""

import csv
import io
import pathlib
from typing import Any

from vision_jax.files import replace_text
from vision_jax.writers.base import About, Row, height_width
from vision_jax.writers.line import found_classes, line

CLASS = ("filename", "class", "score")
TEXT = ("filename", "text", "score")
BOX = ("filename", "width", "height", "class", "xmin", "ymin", "xmax", "ymax")


class CsvWriter:
  """Writes `predictions.csv`: a row for each class of an image, box or text.

  Boxes that count are in the columns of TensorFlow's tables, in pixels, and
  `score`; an image without boxes has no row. `filename` is the image's path.
  Texts are in the columns that a table of images with texts is read by.
  """

  needs = ()
  one_of = ("logits", "boxes", "text")

  def __init__(self, about: About):
    self._about = about
    self._columns, self._rows = CLASS, []

  def __call__(self, file: pathlib.Path, row: Row, name: str) -> None:
    """Keeps an image's rows."""
    del name
    if "boxes" in row:
      self._columns = (*BOX, "score")
      self._rows += self._boxes(file, row)
      return
    if "text" in row:
      found, self._columns = line(row, self._about), TEXT
      self._rows.append((str(file), found["text"], f"{found['score']:.6f}"))
      return
    labels, probs = found_classes(row, self._about)
    for k in labels:
      self._rows.append((str(file), self._about.name(k), f"{probs[k]:.6f}"))

  def close(self) -> None:
    """Writes the table."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(self._columns)
    table.writerows(self._rows)
    replace_text(self._about.output / "predictions.csv", text.getvalue())

  def _boxes(self, file: pathlib.Path, row: Row) -> list[tuple[Any, ...]]:
    h, w = height_width(file)
    sure = self._about.sure(row)
    return [
      (
        *(str(file), w, h, self._about.name(int(k))),
        *(f"{x:.2f}" for x in box),
        f"{score:.6f}",
      )
      for box, score, k in zip(*sure.values(), strict=True)
    ]
