"""The tokenizer of a folder with published weights."""

import dataclasses
import json
import pathlib
import re
import string
from collections.abc import Callable, Sequence

import numpy as np

from vision_jax.data.errors import DataError
from vision_jax.data.text.bpe import END, START, BytePairs, byte_letters


@dataclasses.dataclass(frozen=True)
class Tokenizer:
  """Texts as numbers of tokens, of one length.

  Attributes:
    encode: text -> numbers, without those that begin and end it.
    start: number of the token that begins a text; None for none.
    end: of the token that ends it, and fills up what is left.
  """

  encode: Callable[[str], Sequence[int]]
  start: int | None
  end: int

  def __call__(self, texts: Sequence[str], length: int) -> np.ndarray:
    """Returns (n, length) int32; a text that is too long is cut off."""
    first = [] if self.start is None else [self.start]
    found = np.full((len(texts), length), self.end, np.int32)
    for row, text in zip(found, texts, strict=True):
      numbers = [*first, *self.encode(text)][: length - 1]
      row[: len(numbers)] = numbers
    return found


def load_tokenizer(folder: str | pathlib.Path) -> Tokenizer:
  """Reads CLIP's or SigLIP's tokenizer.

  Args:
    folder: has vocab.json and merges.txt (CLIP's), or a tokenizer.json, which
      needs the package `tokenizers`.

  Raises:
    DataError: if it has neither, or one of another kind.
  """
  folder = pathlib.Path(folder)
  if (folder / "vocab.json").exists() and (folder / "merges.txt").exists():
    return _byte_pairs(folder)
  if (folder / "tokenizer.json").exists():
    return _of_library(folder / "tokenizer.json")
  raise DataError(
    f"tokenizer: {folder} has neither vocab.json and merges.txt nor a "
    "tokenizer.json; expected the folder of a published CLIP or SigLIP."
  )


def of_bytes() -> Tokenizer:
  """Returns CLIP's tokenizer without merges: 512 tokens, start and end."""
  letters = byte_letters()
  symbols = [*letters, *(f"{x}</w>" for x in letters), START, END]
  vocabulary = {symbol: i for i, symbol in enumerate(symbols)}
  encode = BytePairs(vocabulary, [])
  return Tokenizer(encode, vocabulary[START], vocabulary[END])


def _byte_pairs(folder: pathlib.Path) -> Tokenizer:
  vocabulary = json.loads((folder / "vocab.json").read_text("utf-8"))
  lines = (folder / "merges.txt").read_text("utf-8").splitlines()
  pairs = [tuple(x.split()) for x in lines if not x.startswith("#version")]
  encode = BytePairs(vocabulary, [pair for pair in pairs if len(pair) == 2])
  numbers = (_number(vocabulary.get(x), x, folder) for x in (START, END))
  return Tokenizer(encode, *numbers)


def _of_library(file: pathlib.Path) -> Tokenizer:
  try:
    import tokenizers
  except ImportError:
    raise DataError(
      f"{file} needs the package tokenizers: pip install 'vision_jax[text]'."
    ) from None
  library = tokenizers.Tokenizer.from_file(str(file))
  library.no_padding()
  library.no_truncation()
  ids = lambda text: library.encode(text, add_special_tokens=False).ids
  start = library.token_to_id(START)
  if start is not None:  # CLIP's
    end = _number(library.token_to_id(END), END, file)
    return Tokenizer(ids, start, end)
  end = _number(library.token_to_id("</s>"), "</s>", file)
  return Tokenizer(lambda text: ids(canonical(text)), None, end)


def canonical(text: str) -> str:
  """Returns a text as SigLIP reads it: lower case, without punctuation."""
  text = text.lower().translate(str.maketrans("", "", string.punctuation))
  return re.sub(r"\s+", " ", text).strip()


def _number(number: int | None, token: str, where: pathlib.Path) -> int:
  if number is None:
    raise DataError(
      f"tokenizer: {where} has no token {token}; expected CLIP's or SigLIP's."
    )
  return number
