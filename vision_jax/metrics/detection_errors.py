"""What a detector gets wrong, by kinds, and what each of them costs.

The kinds of TIDE: Bolya et al., 2020, https://arxiv.org/abs/2008.08439. A
detection is right if it overlaps an object of its class by `foreground` that no
better one has found. Of others, the first that fits:

localisation: it overlaps an object of its class by `background` or more, but
  by less than `foreground`.
classification: it overlaps an object of another class by `foreground`.
duplicate: a better one has found the object.
background: it overlaps no object by more than `background`.
both: what is left: the wrong class, and not well placed.

missed: an object that nothing has found, nor would find if its class or its
  place were mended.
"""

from collections.abc import Collection, Iterator
from typing import NamedTuple

import numpy as np

from vision_jax.metrics.coco import BoxTable
from vision_jax.metrics.precision_recall import precision_at
from vision_jax.ops.boxes import host_iou

KINDS = (
  *("classification", "localisation", "both", "duplicate", "background"),
  "missed",
)
RIGHT, LEFT_OUT = "right", "left out"  # what else a detection may be
FOREGROUND, BACKGROUND = 0.5, 0.1  # IoU
_MENDED = ("classification", "localisation")  # become right, the others go


class Judged(NamedTuple):
  """Detections and objects of a data set, judged against each other.

  Attributes:
    kind: (r,) of each detection: `RIGHT`, one of `KINDS`, or `LEFT_OUT` where
      it found what need not be found.
    object: (r,) the object's row in the truth that it found, or would find if
      it were mended; -1 for none.
    missed: (t,) whether an object is missed.
    asked: (t,) whether it has to be found.
  """

  kind: np.ndarray
  object: np.ndarray
  missed: np.ndarray
  asked: np.ndarray


def judge(
  truth: BoxTable,
  found: BoxTable,
  *,
  foreground: float = FOREGROUND,
  background: float = BACKGROUND,
) -> Judged:
  """Returns what each detection is.

  Crowds and ignored objects (of `truth`) need not be found, and detections of
  them are neither right nor wrong, as in COCO's evaluation.

  Args:
    truth: what is there.
    found: what was found, with scores.
    foreground: IoU from which a detection is right.
    background: up to which it has to do with no object.
  """
  crowd, ignore = (
    np.zeros(len(truth), bool) if x is None else np.asarray(x) > 0
    for x in (truth.crowd, truth.ignore)
  )
  asked = ~crowd & ~ignore
  kind = np.full(len(found), "background", "U14")
  target, none = np.full(len(found), -1), np.zeros(0, int)
  order = np.argsort(-np.asarray(found.score, np.float64), kind="stable")
  objects = dict(_by_image(truth.image, np.arange(len(truth))))
  for image, rows in _by_image(found.image, order):
    there = objects.get(image, none)
    overlap = host_iou(found.xyxy[rows], truth.xyxy[there], crowd[there])
    same = np.asarray(found.label)[rows, None] == truth.label[there]
    marks = (same, asked[there], crowd[there])
    for i, (what, which) in zip(
      rows, _image(overlap, *marks, foreground, background), strict=True
    ):
      kind[i], target[i] = what, there[which] if which >= 0 else -1
  helped = np.isin(kind, (RIGHT, *_MENDED))
  missed = asked.copy()
  missed[target[helped]] = False
  return Judged(kind, target, missed, asked)


def ap_without(
  kinds: Collection[str], truth: BoxTable, found: BoxTable, judged: Judged
) -> float:
  """Returns the average precision were errors of some kinds mended.

  It is the mean over the classes that have objects; -1 without any. A wrong
  class or place becomes right, if nothing has found the object and no better
  detection of these kinds would; else the detection goes, as do errors of the
  other kinds, while missed objects need not be found any more. A class of which
  nothing is left to be found has 1, or 0 if something is found there.

  Args:
    kinds: of `KINDS`; () for the average precision as it is.
    truth: what is there.
    found: what was found.
    judged: what `judge` returns.
  """
  label, right = np.array(found.label), judged.kind == RIGHT
  first = _first(found, judged)
  mended = np.isin(judged.kind, [x for x in kinds if x in _MENDED])
  right |= mended & first
  label[mended & first] = truth.label[judged.object[mended & first]]
  gone = np.isin(judged.kind, [LEFT_OUT, *kinds]) & ~right
  asked = judged.asked & ~(judged.missed if "missed" in kinds else False)
  order = np.argsort(-np.asarray(found.score, np.float64), kind="stable")
  order = order[~gone[order]]
  precisions = [
    _average(
      right[order][label[order] == k], (asked & (truth.label == k)).sum()
    )
    for k in np.unique(truth.label[judged.asked])
  ]
  return float(np.mean(precisions)) if precisions else -1.0


def detection_errors(
  truth: BoxTable, found: BoxTable, judged: Judged
) -> dict[str, tuple[int, float]]:
  """Returns kind -> (number of errors, average precision that they cost).

  What a kind costs is what the average precision grows by when that kind alone
  is mended, see `ap_without`. The sum of all is not what is missing to 1.
  """
  before = ap_without((), truth, found, judged)
  count = lambda kind: (
    judged.missed.sum() if kind == "missed" else (judged.kind == kind).sum()
  )
  return {
    kind: (
      int(count(kind)),
      ap_without((kind,), truth, found, judged) - before,
    )
    for kind in KINDS
  }


def precision_recall(
  truth: BoxTable, found: BoxTable, judged: Judged
) -> dict[int, np.ndarray]:
  """Returns class -> precision (101,) at COCO's recalls 0, 0.01, ... 1.

  Of the classes that have objects; the mean of a curve is the class's average
  precision at the IoU that was judged by.
  """
  order = np.argsort(-np.asarray(found.score, np.float64), kind="stable")
  order = order[judged.kind[order] != LEFT_OUT]
  right, label = judged.kind[order] == RIGHT, np.asarray(found.label)[order]
  return {
    int(k): precision_at(
      right[label == k], int((judged.asked & (truth.label == k)).sum())
    )
    for k in np.unique(truth.label[judged.asked])
  }


def _average(right: np.ndarray, number: int) -> float:
  if number == 0:
    return float(len(right) == 0)
  return float(precision_at(right, number).mean())


def _first(found: BoxTable, judged: Judged) -> np.ndarray:
  """Which mended detections are the best of an object that none has found."""
  rows = np.flatnonzero(np.isin(judged.kind, _MENDED))
  rows = rows[np.argsort(-np.asarray(found.score)[rows], kind="stable")]
  taken = judged.object[judged.kind == RIGHT]
  rows = rows[~np.isin(judged.object[rows], taken)]
  _, best = np.unique(judged.object[rows], return_index=True)
  first = np.zeros(len(found), bool)
  first[rows[best]] = True
  return first


def _by_image(
  image: np.ndarray, rows: np.ndarray
) -> Iterator[tuple[int, np.ndarray]]:
  """Yields each image's rows, in the order that they are given in."""
  own = np.asarray(image)[rows]
  order = np.argsort(own, kind="stable")
  images, starts = np.unique(own[order], return_index=True)
  parts = np.split(rows[order], starts[1:])
  yield from zip(images.tolist(), parts, strict=False)


def _image(
  overlap: np.ndarray,
  same: np.ndarray,
  asked: np.ndarray,
  crowd: np.ndarray,
  foreground: float,
  background: float,
) -> Iterator[tuple[str, int]]:
  """Yields kind and object of an image's detections, the best score first.

  Args:
    overlap: (r, t) IoUs.
    same: (r, t), whether the classes are.
    asked: (t,), whether an object has to be found.
    crowd: (t,), whether it may be found by any number.
    foreground: as of `judge`.
    background: as of `judge`.
  """
  taken = np.zeros(len(asked), bool)

  def best(overlaps: np.ndarray) -> tuple[float, int]:
    which = int(np.argmax(overlaps)) if len(overlaps) else -1
    return (overlaps[which], which) if which >= 0 else (0.0, -1)

  for row, own in zip(overlap, same, strict=True):
    free, spare = own & asked & ~taken, own & ~asked & ~taken
    for kind, fits in ((RIGHT, free), (LEFT_OUT, spare)):
      high, which = best(row * fits)
      if high >= foreground:
        taken[which] = not crowd[which]
        yield kind, which
        break
    else:
      mine, which = best(row * (own & asked))
      high, other = best(row * (~own & asked))
      if background <= mine < foreground:
        yield "localisation", which
      elif high >= foreground:
        yield "classification", other
      elif mine >= foreground:
        yield "duplicate", which
      else:
        yield "background" if max(mine, high) <= background else "both", -1
