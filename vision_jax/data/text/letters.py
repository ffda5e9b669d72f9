"""Texts as their letters' code points, (n,) int32 with zeros behind them.

So padded, a text needs neither its alphabet to be written nor a mask: a letter
counts where it is not 0.
"""

import pathlib
from collections.abc import Iterable, Sequence

import numpy as np

from vision_jax.data.errors import DataError, some
from vision_jax.errors import UserError

DIGITS = "0123456789"


def check_alphabet(alphabet: str) -> str:
  """Returns an alphabet, if each of its letters is there once.

  Raises:
    UserError: if it is empty, has a letter twice or one that is not printed.
  """
  twice = sorted({x for x in alphabet if alphabet.count(x) > 1})
  hidden = [repr(x) for x in alphabet if not x.isprintable()]
  if not alphabet or twice or hidden:
    wrong = f" with {some([*map(repr, twice), *hidden])}" if alphabet else ""
    raise UserError(
      f"--config.alphabet: got {alphabet!r}{wrong}; expected each letter that "
      f"texts may have, once, such as {DIGITS}."
    )
  return alphabet


def encoded(text: str, length: int) -> np.ndarray:
  """Returns the code points of a text, (length,) int32 with zeros behind.

  Raises:
    ValueError: for a text of more letters.
  """
  codes = np.zeros(length, np.int32)
  codes[: len(text)] = [ord(x) for x in text]
  return codes


def decoded(codes: Iterable[int]) -> str:
  """Returns the text of code points, of which 0 is no letter."""
  return "".join(chr(int(code)) for code in codes if code)


def check_text(text: str, alphabet: str, where: str) -> str:
  """Returns a text, if it has letters, all of them of the alphabet.

  Args:
    text: the text.
    alphabet: the letters that there are.
    where: what an error calls it.

  Raises:
    DataError: naming the letters that are foreign.
  """
  foreign = sorted({x for x in text if x not in alphabet})
  if not text:
    raise DataError(
      f"{where}: has no text; expected one letter at least. Add it, or leave "
      "the line out."
    )
  if foreign:
    raise DataError(
      f"{where}: has the text {text!r} with {some(map(repr, foreign))}; "
      f"expected letters of the alphabet {alphabet!r}. Correct it, or name all "
      "letters by --config.alphabet."
    )
  return text


def read_lexicon(path: str, alphabet: str) -> tuple[str, ...]:
  """Returns the words of a file, one a line, each once; () of no file.

  Args:
    path: a file of words, one a line, in UTF-8; "" is none. Empty lines are
      passed over.
    alphabet: the letters that words may have.

  Raises:
    DataError: for a file that cannot be read or has no words, and for a word
      with a letter that is none of the alphabet's, which nothing could read.
  """
  if not path:
    return ()
  try:
    lines = pathlib.Path(path).read_text("utf-8-sig").splitlines()
  except (OSError, UnicodeDecodeError) as error:
    raise DataError(
      f"--config.lexicon: {path} cannot be read ({error}); expected words in "
      "UTF-8, one a line."
    ) from error
  words = {i + 1: line.strip() for i, line in enumerate(lines) if line.strip()}
  for i, word in words.items():
    check_text(word, alphabet, f"lexicon {path}, line {i}")
  if not words:
    raise DataError(
      f"--config.lexicon: {path} has no words; expected one a line. Leave it "
      "out to read without a lexicon."
    )
  return unique(words.values())


def unique(words: Iterable[str]) -> tuple[str, ...]:
  """Returns words without repetition, in their order."""
  return tuple(dict.fromkeys(words))


def longest(words: Sequence[str]) -> int:
  """Returns the number of letters of the longest word, 0 of none."""
  return max(map(len, words), default=0)
