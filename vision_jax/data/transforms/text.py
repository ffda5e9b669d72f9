"""Host transforms of texts."""

from collections.abc import Callable, Sequence

import numpy as np

from vision_jax.data.pickled import Transform, transform
from vision_jax.data.source import Example
from vision_jax.data.text.letters import decoded
from vision_jax.data.text.words import Vocabulary
from vision_jax.data.transforms.base import name_of


@transform
def number_words(words: Sequence[str], length: int) -> Transform:
  """Adds `tokens` (length,), the numbers of the words of `text`.

  Args:
    words: the vocabulary; behind a caption's words stands the number after its
      last.
    length: words of a caption, at most.
  """
  vocabulary = Vocabulary(tuple(words))

  def apply(example: Example, rng: np.random.Generator | None) -> Example:
    del rng
    text = decoded(example["text"])
    tokens = vocabulary.numbers(text, length, name_of(example))
    return example | {"tokens": tokens}

  return apply


@transform
def read_text(read: Callable[[str], np.ndarray]) -> Transform:
  """Adds `tokens`, what `read` makes of `text`: that of a condition by text."""

  def apply(example: Example, rng: np.random.Generator | None) -> Example:
    del rng
    return example | {"tokens": read(decoded(example["text"]))}

  return apply
