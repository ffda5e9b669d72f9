"""CLIP's tokens: byte pairs that are merged, by vocab.json and merges.txt."""

import functools
import itertools
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence

START, END = "<|startoftext|>", "<|endoftext|>"
_ENDING = re.compile("'(?:s|t|re|ve|m|ll|d)")
_SUFFIX = "</w>"  # of the last symbol of a word


class BytePairs:
  """Byte-pair encoding (Sennrich et al., 2016) of bytes, as CLIP has it.

  Differs from OpenAI's: text that was decoded wrongly is not repaired.

  Args:
    vocabulary: token -> its number.
    merges: pairs of symbols, those that are merged first at the beginning.
  """

  def __init__(
    self,
    vocabulary: Mapping[str, int],
    merges: Sequence[tuple[str, str]],
  ):
    self.vocabulary = vocabulary
    self._ranks = {pair: i for i, pair in enumerate(merges)}
    self._word = functools.lru_cache(4096)(self._numbers)

  def __call__(self, text: str) -> list[int]:
    """Returns the numbers of a text's tokens, without start and end."""
    text = unicodedata.normalize("NFC", text)
    text = re.sub(r"\s+", " ", text).lower()
    return [number for word in words(text) for number in self._word(word)]

  def _numbers(self, word: str) -> tuple[int, ...]:
    letters = byte_letters()
    symbols = [letters[byte] for byte in word.encode()]
    symbols[-1] += _SUFFIX
    unknown = self.vocabulary[END]
    return tuple(
      self.vocabulary.get(symbol, unknown) for symbol in self._merged(symbols)
    )

  def _merged(self, symbols: list[str]) -> list[str]:
    last = len(self._ranks)
    while len(symbols) > 1:
      ranks = [self._ranks.get(x, last) for x in itertools.pairwise(symbols)]
      best = min(ranks)
      if best == last:
        break
      at = ranks.index(best)
      symbols = [
        *symbols[:at],
        symbols[at] + symbols[at + 1],
        *symbols[at + 2 :],
      ]
    return symbols


def words(text: str) -> Iterator[str]:
  """Yields runs of letters, single digits, runs of other signs, and endings.

  An ending is 's, 't, 're, 've, 'm, 'll or 'd. Spaces are left out.
  """
  kinds, at = [_kind(x) for x in text], 0
  while at < len(text):
    kind, end = kinds[at], at + 1
    if ending := _ENDING.match(text, at):
      end = ending.end()
    elif kind in "LS":
      while end < len(text) and kinds[end] == kind:
        end += 1
    if kind != " ":
      yield text[at:end]
    at = end


def _kind(letter: str) -> str:
  """L of a letter, N of a number, S of another sign, or a space."""
  if letter.isspace():
    return " "
  kind = unicodedata.category(letter)[0]
  return kind if kind in "LN" else "S"


@functools.cache
def byte_letters() -> tuple[str, ...]:
  """Returns a letter that can be seen for each byte, as GPT-2 has them."""
  seen = {*range(33, 127), *range(161, 173), *range(174, 256)}
  more = iter(range(256, 512))
  return tuple(chr(x if x in seen else next(more)) for x in range(256))
