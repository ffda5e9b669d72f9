"""How near the segments of a sequence are to the true ones.

The definitions are those of MS-TCN's published evaluation (Abu Farha & Gall,
2019; after Lea et al., 2016 and 2017), as fractions and not percent. A segment
is a run of frames of one class, and ends after its last frame.
"""

import collections
import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import jax.numpy as jnp
import numpy as np

from vision_jax.core.types import Array, Batch
from vision_jax.errors import UserError
from vision_jax.metrics.reading import edit_distance

Measured = tuple[dict[str, Array], dict[str, Array]]
OVERLAPS = (0.1, 0.25, 0.5)


class Segment(NamedTuple):
  """A run of frames of one class, from `start` to before `end`."""

  label: int
  start: int
  end: int


class Hits(NamedTuple):
  """Predicted segments that are right and wrong, and true ones missed."""

  right: int
  wrong: int
  missed: int


def segments(
  labels: Sequence[int] | np.ndarray, background: Sequence[int] = ()
) -> list[Segment]:
  """Returns the runs of labels (t,), but those of the background, in order."""
  labels = np.asarray(labels)
  if not len(labels):
    return []
  starts = [0, *(np.flatnonzero(labels[1:] != labels[:-1]) + 1).tolist()]
  ends = [*starts[1:], len(labels)]
  found = [
    Segment(int(labels[a]), a, b) for a, b in zip(starts, ends, strict=True)
  ]
  return [x for x in found if x.label not in background]


def edit_score(found: Sequence[Segment], truth: Sequence[Segment]) -> float:
  """1 less the edits between two orders of segments, over the longer one's.

  Edits are insertions, deletions and substitutions (Levenshtein), whatever the
  segments' lengths. 1 of two that are empty.
  """
  a, b = ([x.label for x in each] for each in (found, truth))
  return 1 - edit_distance(a, b) / max(len(a), len(b), 1)


def hits(
  found: Sequence[Segment], truth: Sequence[Segment], overlap: float
) -> Hits:
  """Compares segments: one is right if it overlaps a true one enough.

  Each found segment, in order, is held against the true one of its class with
  the largest overlap, intersection over union; it is right if that is `overlap`
  or more, and no segment before was right by the same. As published, one that
  comes second does not turn to the next best.
  """
  taken: set[int] = set()
  for segment in found:
    shares = [_overlap(segment, other) for other in truth]
    best = int(np.argmax(shares)) if shares else -1
    if best >= 0 and shares[best] >= overlap:
      taken.add(best)
  right = len(taken)
  return Hits(right, len(found) - right, len(truth) - right)


def _overlap(a: Segment, b: Segment) -> float:
  """Intersection over union, 0 of different classes."""
  if a.label != b.label:
    return 0.0
  both = min(a.end, b.end) - max(a.start, b.start)
  return max(both, 0) / (max(a.end, b.end) - min(a.start, b.start))


@dataclasses.dataclass(frozen=True)
class SegmentScores:
  """`mof`, `edit`, and `f1@10`, `f1@25`, `f1@50`.

  `mof` is the mean over frames: the part of all that are right. `edit` is the
  mean over sequences of `edit_score`. F1 at an overlap is the harmonic mean of
  precision and recall, of the `hits` of all sequences together.

  `out` and the batch have `target` (b, t). Frames whose truth is `ignore` are
  left out of both.

  Attributes:
    num_classes: k.
    ignore: the label of frames that do not count.
    background: classes whose segments do not count; their frames do.
    overlaps: of F1.
  """

  num_classes: int
  ignore: int = 255
  background: Sequence[int] = ()
  overlaps: Sequence[float] = OVERLAPS
  state: ClassVar[Any] = None

  @property
  def names(self) -> tuple[str, ...]:
    """Names of the metrics that `result` gives."""
    return ("mof", "edit", *map(_name, self.overlaps))

  def measure(self, state: Any, out: Any, batch: Batch) -> Measured:
    """Returns both labels of frames as rows."""
    del state
    both = {"found": out["target"], "truth": batch["target"]}
    return {}, {k: jnp.asarray(x, jnp.int32) for k, x in both.items()}

  def result(self, sums: Mapping, rows: Mapping) -> dict[str, float]:
    """Compares them.

    Raises:
      UserError: for a truth that is no class, or no frame that counts.
    """
    del sums
    frames: collections.Counter[str] = collections.Counter()
    edits, total = [], {x: np.zeros(3) for x in self.overlaps}
    for found, truth in zip(rows["found"], rows["truth"], strict=True):
      counts = self._counted(truth)
      found, truth = found[counts], truth[counts]
      frames.update(right=int((found == truth).sum()), all=len(truth))
      pair = [segments(x, self.background) for x in (found, truth)]
      edits.append(edit_score(*pair))
      for overlap in self.overlaps:
        total[overlap] += hits(*pair, overlap)
    if not frames["all"]:
      raise UserError(
        f"target: all frames are {self.ignore}, which does not count; expected "
        "some with a class."
      )
    f1 = {_name(x): _f1(*total[x]) for x in self.overlaps}
    mof = frames["right"] / frames["all"]
    return {"mof": mof, "edit": float(np.mean(edits))} | f1

  def _counted(self, truth: np.ndarray) -> np.ndarray:
    counts = truth != self.ignore
    bad = counts & ((truth < 0) | (truth >= self.num_classes))
    if bad.any():
      raise UserError(
        f"target: got the class {truth[bad][0]}; expected 0 to "
        f"{self.num_classes - 1}, or {self.ignore} for none. Correct them."
      )
    return counts


def _name(overlap: float) -> str:
  return f"f1@{round(100 * overlap)}"


def _f1(right: float, wrong: float, missed: float) -> float:
  """2 p r / (p + r); 0 where nothing is right."""
  return float(2 * right / max(2 * right + wrong + missed, 1))
