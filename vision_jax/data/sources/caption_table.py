"""Images with captions, of a table in csv or tsv."""

import pathlib
from collections.abc import Sequence

import numpy as np

from vision_jax.data.errors import DataError
from vision_jax.data.sources import csv_lines
from vision_jax.data.sources.text_table import TextTable
from vision_jax.data.text.letters import encoded
from vision_jax.data.text.tokenizer import canonical
from vision_jax.data.text.words import Vocabulary, words_of


class CaptionTable(TextTable):
  """A folder of images with a table of their paths and captions.

  Captions become lower case, without punctuation. An image may have several,
  each in a line of its own.

  Args:
    folder: as of `TextTable`, where a column has captions.
    vocabulary: the words that captions may have; () for all that they have.
    length: words of a caption, at most.

  Raises:
    DataError: as of `TextTable`, and for a caption of other words, or of more.
  """

  several = True

  def __init__(
    self, folder: str | pathlib.Path, vocabulary: Sequence[str], length: int
  ):
    super().__init__(folder, "", 0)
    texts = [row[self._text] or "" for row in csv_lines.rows(self.path)]
    self.words = tuple(vocabulary) or words_of(texts)
    if not self.words:
      raise DataError(
        f"table {self.path}: has no word under {self._text}; expected a "
        "caption for each image. Add them."
      )
    self._vocabulary, self._length = Vocabulary(self.words), length
    self._room = max([1, *(len(canonical(x)) for x in texts)])

  def _encoded(self, text: str, where: str) -> np.ndarray:
    self._vocabulary.numbers(text, self._length, where)
    return encoded(" ".join(canonical(text).split()), self._room)
