"""Metrics of tracks against true ones, on the host: CLEAR MOT and IDF1.

Bernardin and Stiefelhagen, 2008, https://doi.org/10.1155/2008/246309; Ristani
et al., 2016, https://arxiv.org/abs/1609.01775.
"""

import dataclasses
from collections.abc import Iterator

import numpy as np
import scipy.optimize

from vision_jax.errors import UserError
from vision_jax.ops.boxes import host_iou

_FAR = 1e6  # what a pair costs that is none


@dataclasses.dataclass(frozen=True)
class TrackTable:
  """Boxes of tracks in a video, one row each.

  Attributes:
    frame: (r,), any integers in the order of time.
    number: (r,), which track, any integers; a frame has each at most once.
    boxes: (r, 4) xyxy in pixels.
  """

  frame: np.ndarray
  number: np.ndarray
  boxes: np.ndarray

  def __post_init__(self):
    lengths = [len(self.frame), len(self.number), len(self.boxes)]
    if len({*lengths}) > 1:
      raise UserError(
        f"tracks: got {lengths} frames, numbers and boxes; expected as many of "
        "each."
      )
    pairs = np.stack([self.frame, self.number], -1)
    found, count = np.unique(pairs, axis=0, return_counts=True)
    if (count > 1).any():
      frame, number = found[count > 1][0].tolist()
      raise UserError(
        f"tracks: frame {frame} has track {number} more than once; expected a "
        "box each."
      )

  @classmethod
  def of_mot(cls, rows: np.ndarray) -> "TrackTable":
    """Returns rows of the MOT challenge, whose first pixel is 1.

    Args:
      rows: (r, 6 or more) frame, track, left, top, width, height, as
        `np.loadtxt(FILE, delimiter=",", ndmin=2)` reads them.
    """
    rows = np.asarray(rows, np.float64)
    low = rows[:, 2:4] - 1
    boxes = np.concatenate([low, low + rows[:, 4:6]], -1)
    return cls(rows[:, 0].astype(int), rows[:, 1].astype(int), boxes)


def tracking_metrics(
  truth: TrackTable, found: TrackTable, *, overlap: float = 0.5
) -> dict[str, float]:
  """Returns MOTA, MOTP, IDF1 and what they are made of.

  In each frame a true box keeps the track that it was last paired with if they
  still overlap; the others are paired, as many as can be, with the largest sum
  of IoUs. A track other than the last is a switch.

  mota: 1 - (misses + false_positives + switches) / objects; at most 1, and
    below 0 where there are more errors than objects.
  motp: mean IoU of the pairs (the paper has their distance).
  idf1, idp, idr: F1, precision and recall of the boxes, where each true track
    has one track at most in the whole video, those that give the best F1.
  objects, misses, false_positives, switches: counts, of true boxes, of those
    without a pair, of found ones without a pair.

  What has nothing to be divided by is left out.

  Args:
    truth: what is there.
    found: what was tracked.
    overlap: the least IoU of a pair.
  """
  objects, number = len(truth.frame), len(found.frame)
  last: dict[int, int] = {}  # true track -> the track it was paired with
  switches, overlaps, together = 0, [], _Together(truth, found)
  for true, own, iou in _frames(truth, found):
    near = iou >= overlap
    together.add(true, own, near)
    pairs = _pairs(true, own, np.where(near, iou, 0), last)
    for i, j in pairs:
      switches += last.get(true[i], own[j]) != own[j]
      last[true[i]] = own[j]
    overlaps += [iou[pair] for pair in pairs]
  misses, wrong = objects - len(overlaps), number - len(overlaps)
  metrics = {
    "objects": objects,
    "misses": misses,
    "false_positives": wrong,
    "switches": switches,
  }
  right = together.most()
  parts = {
    "mota": (objects - misses - wrong - switches, objects),
    "motp": (float(np.sum(overlaps)), len(overlaps)),
    "idf1": (2 * right, objects + number),
    "idp": (right, number),
    "idr": (right, objects),
  }
  metrics |= {name: part / of for name, (part, of) in parts.items() if of}
  return {name: float(value) for name, value in metrics.items()}


class _Together:
  """Counts the frames in which a true track and a found one overlap."""

  def __init__(self, truth: TrackTable, found: TrackTable):
    self._true, self._own = np.unique(truth.number), np.unique(found.number)
    self._frames = np.zeros((len(self._true), len(self._own)), int)

  def add(self, true: list[int], own: list[int], near: np.ndarray) -> None:
    """Adds a frame."""
    rows = np.searchsorted(self._true, true)
    columns = np.searchsorted(self._own, own)
    self._frames[np.ix_(rows, columns)] += near

  def most(self) -> int:
    """The most frames that pairs of tracks have together, one to one."""
    frames = self._frames
    best = scipy.optimize.linear_sum_assignment(frames, maximize=True)
    return int(frames[best].sum())


def _frames(
  truth: TrackTable, found: TrackTable
) -> Iterator[tuple[list[int], list[int], np.ndarray]]:
  """Yields each frame's numbers of both sides and the IoUs of their boxes."""
  for frame in np.union1d(truth.frame, found.frame):
    sides = [np.flatnonzero(x.frame == frame) for x in (truth, found)]
    numbers = [
      np.asarray(x.number)[rows].tolist()
      for x, rows in zip((truth, found), sides, strict=True)
    ]
    iou = host_iou(truth.boxes[sides[0]], found.boxes[sides[1]])
    yield *numbers, iou


def _pairs(
  true: list[int], own: list[int], iou: np.ndarray, last: dict[int, int]
) -> list[tuple[int, int]]:
  """Returns (row, column) of a frame's pairs; an IoU of 0 is none."""
  kept: dict[int, int] = {}
  for i, number in enumerate(true):
    j = own.index(last[number]) if last.get(number) in own else -1
    if j >= 0 and iou[i, j] > 0 and j not in kept.values():
      kept[i] = j
  cost = np.where(iou > 0, 1 - iou, _FAR)
  cost[[*kept], :] = _FAR
  cost[:, [*kept.values()]] = _FAR
  rows, columns = scipy.optimize.linear_sum_assignment(cost)
  new = [
    (int(i), int(j))
    for i, j in zip(rows, columns, strict=True)
    if cost[i, j] < _FAR
  ]
  return [*kept.items(), *new]
