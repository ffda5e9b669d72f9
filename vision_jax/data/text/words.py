"""Captions as words of a vocabulary, which are numbered from 0."""

import dataclasses
import difflib
import functools
from collections.abc import Iterable, Sequence

import numpy as np

from vision_jax.data.errors import DataError, some
from vision_jax.data.text.tokenizer import canonical


@dataclasses.dataclass(frozen=True)
class Vocabulary:
  """The words that captions may have; the number after the last is no word.

  Captions are read in lower case and without punctuation.

  Attributes:
    words: each once, in lower case, without spaces.

  Raises:
    DataError: for other words.
  """

  words: Sequence[str]

  def __post_init__(self):
    wrong = [x for x in self.words if canonical(x) != x or len(x.split()) != 1]
    wrong += sorted({x for x in self.words if self.words.count(x) > 1})
    if wrong or not self.words:
      raise DataError(
        f"--config.vocabulary: has {some(map(repr, wrong)) or 'no word'}; "
        "expected single words in lower case without punctuation, each once."
      )

  @property
  def end(self) -> int:
    """The number of no word: it begins a caption, and ends it."""
    return len(self.words)

  @functools.cached_property
  def _numbers(self) -> dict[str, int]:
    return {word: i for i, word in enumerate(self.words)}

  def numbers(self, text: str, length: int, where: str) -> np.ndarray:
    """Returns the numbers of a caption's words, (length,) int32, `end` behind.

    Args:
      text: the caption.
      length: words that it may have, at most.
      where: what an error calls it.

    Raises:
      DataError: for no word, too many, or one that is not known.
    """
    words = canonical(text).split()
    if not words:
      raise DataError(
        f"{where}: has no word; expected a caption. Add it, or leave the line "
        "out."
      )
    if len(words) > length:
      raise DataError(
        f"{where}: has the caption {text!r:.200} of {len(words)} words; "
        f"expected {length} at most. Shorten it, or train with "
        f"--config.length={len(words)}."
      )
    for word in words:
      if word not in self._numbers:
        raise DataError(self._unknown(word, where))
    found = np.full(length, self.end, np.int32)
    found[: len(words)] = [self._numbers[word] for word in words]
    return found

  def _unknown(self, word: str, where: str) -> str:
    near = difflib.get_close_matches(word, self.words, 1, 0.0)[0]
    return (
      f"{where}: has the word {word!r}; expected those of the vocabulary, "
      f"{len(self.words)} of them; did you mean {near!r}? Correct it, or train "
      "with another --config.vocabulary."
    )


def words_of(captions: Iterable[str]) -> tuple[str, ...]:
  """Returns all words of captions, sorted."""
  return tuple(
    sorted({x for text in captions for x in canonical(text).split()})
  )
