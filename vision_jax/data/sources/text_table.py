"""Images with texts, of a table in csv or tsv."""

import dataclasses
import functools
import pathlib

import numpy as np

from vision_jax.data.errors import DataError, some
from vision_jax.data.files import files_in
from vision_jax.data.found import split_of
from vision_jax.data.source import Example, short_hash
from vision_jax.data.sources import csv_file, csv_lines
from vision_jax.data.sources.split_images import FileImages, Images, Index
from vision_jax.data.sources.table_source import TableSource
from vision_jax.data.text.letters import check_text, encoded

TEXT = (
  *("text", "label", "word", "words", "string", "transcription"),
  *("caption", "captions"),
)


@dataclasses.dataclass(frozen=True)
class Texts:
  """What a table says of n images: texts (n, room) int32, as code points."""

  images: Images
  texts: np.ndarray


class TextSource(TableSource[Texts]):
  """A split of images with texts; examples have `image` and `text` (room,)."""

  def read(self, indices: np.ndarray) -> list[Example]:
    """Returns images with their texts."""
    images, texts = self._table.images, self._table.texts
    return [
      {"name": images.place(i), "image": images.read(i), "text": texts[i]}
      for i in map(int, indices)
    ]

  def fingerprint(self) -> str:
    """Returns a hash of images and texts."""
    table = self._table
    return short_hash(table.images.fingerprint(), table.texts)


class TextTable:
  """A folder of images with a table of their paths and texts.

  Args:
    folder: with one csv or tsv in it. A column has paths, as seen from the
      folder, one the texts, and one may have splits; see `csv_file`.
    alphabet: the letters that texts may have.
    room: how many letters the longest may have.

  Attributes:
    several: whether an image may have several texts, a line for each.

  Raises:
    DataError: if there is no such table, or no such column.
  """

  several = False

  def __init__(self, folder: str | pathlib.Path, alphabet: str, room: int):
    self.folder, self._alphabet = pathlib.Path(folder), alphabet
    self._room = room
    tables = files_in(self.folder, ".csv", ".tsv") if folder else []
    if len(tables) != 1:
      raise DataError(
        f"--config.data_dir: {folder or 'nothing'} has "
        f"{some(x.name for x in tables) or 'no table'}; expected a folder with "
        "one csv or tsv, of images' paths and their texts."
      )
    self.path = tables[0]
    names = csv_lines.header(self.path)
    first = lambda known: next(
      (x for k in known for x in names if x.strip().casefold() == k), None
    )
    self._image, self._text = first(csv_file.PATH), first(TEXT)
    self._split = first(csv_file.SPLIT)
    for column, known in ((self._image, csv_file.PATH), (self._text, TEXT)):
      if column is None:
        raise DataError(
          f"table {self.path}: has the columns {some(names) or 'none'}; "
          f"expected one called {some(known)}. Name it in the first line."
        )

  def splits(self) -> list[str]:
    """Returns the splits that a column names; [] without such a column."""
    if not self._split:
      return []
    found = csv_lines.splits_in(self.path, self._split)
    return [x for x in ("train", "val", "test") if x in found]

  def open(self, split: str | None = None) -> TextSource:
    """Returns a split's images, or all: read on first use."""
    where = f"table {self.path}" + (f", {split}" if split else "")
    return TextSource(functools.partial(self._read, split), where)

  def _read(self, split: str | None) -> Texts:
    index, files, texts = Index(self.folder), [], []
    for i, row in enumerate(csv_lines.rows(self.path)):
      if split and split_of((row[self._split] or "").strip()) != split:
        continue
      where = f"table {self.path}, line {i + 2}"
      name = (row[self._image] or "").strip()
      near = ("", "images/", *([f"{split}/"] if split else []))
      files.append(index.find(name, where, near))
      texts.append(self._encoded(row[self._text] or "", where))
    if not self.several:
      where = f"table {self.path}"
      csv_lines.check_once(files, where, "with its text. Remove one line")
    values = np.asarray(texts, np.int32).reshape(-1, self._room)
    return Texts(FileImages(self.folder, files), values)

  def _encoded(self, text: str, where: str) -> np.ndarray:
    text = check_text(text.strip(), self._alphabet, where)
    if len(text) > self._room:
      raise DataError(
        f"{where}: has the text {text!r} of {len(text)} letters; expected "
        f"{self._room} at most. Train with --config.letters=1,{len(text)}, and "
        "images that are as wide as that needs."
      )
    return encoded(text, self._room)
