"""Text as a condition: tokens, and what makes them of words."""

import dataclasses
import difflib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np

from vision_jax.core.types import Array, Batch, HostBatch
from vision_jax.errors import UserError
from vision_jax.tasks.conditions import Condition, entry


@dataclasses.dataclass(frozen=True)
class TokenCondition(Condition):
  """Tokens int (b, length) of a batch, 0 where a text has ended.

  Samples are asked for by a text, --sample.prompt="a three", or by several with
  | between them, which go in turn. The empty text stands for nothing given.

  Attributes:
    length: number of tokens; 0 fills up shorter texts.
    tokenize: text -> tokens, such as `Words`; None reads numbers with commas
      between.
    key: name of the tokens in a batch.
  """

  length: int
  tokenize: Callable[[str], Sequence[int]] | None = None
  key: str = "tokens"
  asks: ClassVar[Sequence[str]] = ("prompt",)

  def given(self, batch: Batch) -> Array:
    """Returns the tokens (b, length)."""
    tokens = entry(batch, self.key, f"(b, {self.length})")
    if tokens.shape[1:] != (self.length,):
      raise UserError(
        f"{self.key}: got shape {tokens.shape}; expected (b, {self.length}), "
        "the length of the condition."
      )
    return tokens

  def null(self, given: Array) -> Array:
    """Returns the tokens of the empty text."""
    return jnp.zeros_like(given)

  def ask(
    self, number: int, wanted: Mapping[str, Any], *, row: int = 1
  ) -> HostBatch:
    """Returns the tokens of the texts asked for, in turn."""
    if "prompt" not in wanted:
      raise UserError(
        "--sample.prompt is missing: this model draws what a text says; "
        'expected a text, or several as in "TEXT|TEXT".'
      )
    texts = np.stack([self.read(x) for x in wanted["prompt"].split("|")])
    return {self.key: texts[np.arange(number) // row % len(texts)]}

  def read(self, text: str) -> np.ndarray:
    """Returns the tokens of a text, int32 (length,).

    Raises:
      UserError: if it is too long, or is not made of tokens.
    """
    tokens = list((self.tokenize or _numbers)(text))
    if len(tokens) > self.length:
      raise UserError(
        f"--sample.prompt: got {len(tokens)} tokens in {text!r}; expected at "
        f"most {self.length}. Shorten it."
      )
    filled = tokens + [0] * (self.length - len(tokens))
    return np.asarray(filled, np.int32)


@dataclasses.dataclass(frozen=True)
class Words:
  """Makes tokens of words: the first one of the vocabulary is token 1."""

  vocabulary: Sequence[str]

  def __call__(self, text: str) -> list[int]:
    """Returns the tokens of a text's words.

    Raises:
      UserError: naming the first unknown word, and the nearest known.
    """
    return [self._token(word) for word in text.split()]

  def _token(self, word: str) -> int:
    if word in self.vocabulary:
      return list(self.vocabulary).index(word) + 1
    near = difflib.get_close_matches(word, self.vocabulary, 1, 0.0)
    raise UserError(
      f"prompt: got the word {word!r}; expected words of the vocabulary, "
      f"{len(self.vocabulary)} of them; did you mean {near[0]!r}?"
    )


def _numbers(text: str) -> list[int]:
  try:
    return [int(x) for x in text.split(",") if x.strip()]
  except ValueError:
    raise UserError(
      f"--sample.prompt: got {text!r}; expected numbers of tokens with commas "
      "between, as the condition has no `tokenize`."
    ) from None
