"""How near texts that were read are to the truth: strings, letters, words.

`out` and the batch have `text`, code points (b, n) padded with zeros, of
lengths of their own, and the batch `mask` (b,).
"""

import dataclasses
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np

from vision_jax.core.types import Array, Batch

Measured = tuple[dict[str, Array], dict[str, Array]]


@dataclasses.dataclass(frozen=True)
class TextErrors:
  """Share of texts that are right, and error rates of letters and words.

  `strings` are the texts that are right in every letter. `cer` and `wer` are
  the insertions, deletions and substitutions that lead to the truth, of letters
  and of what spaces part, over as many as the truth has in all texts together:
  0 at best, and more than 1 where much is read that is not there.
  """

  names: ClassVar[tuple[str, ...]] = ("strings", "cer", "wer")
  state: ClassVar[Any] = None

  def measure(self, state: Any, out: Any, batch: Batch) -> Measured:
    """Returns both texts as rows."""
    del state
    found, truth = (jnp.asarray(x["text"], jnp.int32) for x in (out, batch))
    return {}, {"found": found, "truth": truth}

  def result(self, sums: Mapping, rows: Mapping) -> dict[str, float]:
    """Compares them."""
    del sums
    found, truth = ([*map(text_of, rows[key])] for key in ("found", "truth"))
    pairs = [*zip(found, truth, strict=True)]
    words = [(a.split(), b.split()) for a, b in pairs]
    return {
      "strings": float(np.mean([a == b for a, b in pairs])),
      "cer": _rate(pairs),
      "wer": _rate(words),
    }


def edit_distance(a: Sequence[Hashable], b: Sequence[Hashable]) -> int:
  """Fewest insertions, deletions and substitutions from a to b.

  Levenshtein (1966), a row of the table at a time (Wagner and Fischer, 1974).
  """
  row = list(range(len(b) + 1))
  for i, x in enumerate(a, 1):
    before, row[0] = row[0], i
    for j, y in enumerate(b, 1):
      best = min(row[j] + 1, row[j - 1] + 1, before + (x != y))
      before, row[j] = row[j], best
  return row[-1]


def text_of(codes: np.ndarray) -> str:
  """Returns the text of code points (n,), of which 0 is no letter."""
  return "".join(chr(int(code)) for code in codes if code)


def _rate(pairs: Sequence[tuple[Sequence, Sequence]]) -> float:
  """Edits over what the truths have; 0 of no truth."""
  edits = sum(edit_distance(a, b) for a, b in pairs if a != b)
  return edits / max(sum(len(b) for _, b in pairs), 1)
