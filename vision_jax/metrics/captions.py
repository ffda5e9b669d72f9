"""How near written captions are to the truth: whole, and their words."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from vision_jax.core.types import Batch
from vision_jax.metrics.reading import Measured, TextErrors, text_of


@dataclasses.dataclass(frozen=True)
class CaptionWords:
  """`captions`, the share that is right in every word, `wer`, and each kind's.

  `out` and the batch are as of `TextErrors`, whose word error rate `wer` is. Of
  a kind of words, such as colours, those of a caption are compared with those
  of the truth in their order; its metric is the share of the truth's that are
  right, 0 where the truth has none.

  Attributes:
    kinds: name -> the words of a kind.
  """

  kinds: Mapping[str, Sequence[str]] = dataclasses.field(default_factory=dict)
  state: ClassVar[Any] = None

  @property
  def names(self) -> tuple[str, ...]:
    """Those of the results."""
    return ("captions", "wer", *self.kinds)

  def measure(self, state: Any, out: Any, batch: Batch) -> Measured:
    """Returns both texts as rows."""
    return TextErrors().measure(state, out, batch)

  def result(self, sums: Mapping, rows: Mapping) -> dict[str, float]:
    """Compares them."""
    whole = TextErrors().result(sums, rows)
    both = [
      [text_of(x).split() for x in rows[key]] for key in ("found", "truth")
    ]
    shares = {k: _share(*both, words) for k, words in self.kinds.items()}
    return {"captions": whole["strings"], "wer": whole["wer"]} | shares


def _share(
  found: Sequence[Sequence[str]],
  truth: Sequence[Sequence[str]],
  words: Sequence[str],
) -> float:
  """Returns the share of the truth's words of a kind that were found."""
  hits = total = 0
  for written, true in zip(found, truth, strict=True):
    a, b = ([x for x in text if x in words] for text in (written, true))
    hits += sum(x == y for x, y in zip(a, b, strict=False))
    total += len(b)
  return hits / max(total, 1)
