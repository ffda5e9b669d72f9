"""What happens to annotated boxes that cannot be right."""

import logging
from collections.abc import Callable

import numpy as np

from vision_jax.data.errors import DataError
from vision_jax.data.pickled import Lock

_TOLERANCE = 0.1  # pixels by which rounding may carry a box out of its image
_POLICIES = ("error", "clip", "drop")
_PROBLEMS = (
  "has a coordinate that is not a number",
  "has a negative width or height",
  "has no area",
  "leaves the image",
)
_EMPTY, _LEAVES = 2, 3
_LOG = logging.getLogger(__name__)


class BoxCheck:
  """Checks boxes; training gets what lies in the image, evaluation the file's.

  Attributes:
    bad: place -> what is wrong, of those that were cut or left out.
  """

  def __init__(self, on_bad_box: str = "error", exact: bool = False):
    """Says what happens to bad ones.

    Args:
      on_bad_box: "error"; "clip" cuts boxes to their image, and those without
        area stay errors; "drop" cuts them too, and leaves out those without
        area.
      exact: whether boxes stay as the file has them, as evaluation has to score
        them (COCO's own tools do): nothing is cut then, boxes without area
        count, and "drop" leaves out only what is no box.

    Raises:
      DataError: for another `on_bad_box`.
    """
    if on_bad_box not in _POLICIES:
      raise DataError(
        f"on_bad_box: got {on_bad_box!r}; expected one of {_POLICIES}."
      )
    self.on_bad_box, self.exact = on_bad_box, exact
    self.bad: dict[str, str] = {}
    self._lock = Lock()

  def __call__(
    self,
    boxes: np.ndarray,
    size: np.ndarray | tuple[int, int],
    name: str,
    place: Callable[[int], str] | None = None,
  ) -> tuple[np.ndarray, np.ndarray]:
    """Checks many boxes at once; warns once of those cut and left out.

    Args:
      boxes: (n, 4) xyxy in pixels.
      size: (2,) or (n, 2), height and width of the boxes' image.
      name: what the warning calls the file.
      place: what errors call the box i; None for "NAME: box i".

    Returns:
      (n', 4) xyxy float64 that are left, and which they were, (n',) integers.
    """
    place = place or (lambda i: f"{name}: box {i}")
    boxes = np.array(boxes, np.float64).reshape(-1, 4)
    size = np.broadcast_to(np.asarray(size, np.float64), (len(boxes), 2))
    high = np.tile(size[:, ::-1], 2)
    cut = np.clip(boxes, 0, high)
    problem = _problems(boxes, cut, high)
    lost = np.zeros(len(boxes), bool)
    for i in np.flatnonzero(problem >= 0):
      area = (cut[i, 2:] > cut[i, :2]).all()
      if self.on_bad_box == "error" or (
        self.on_bad_box == "clip" and not self._kept(problem[i], area)
      ):
        raise DataError(_message(place(i), boxes[i], problem[i], size[i]))
      lost[i] = not self._kept(problem[i], area)
    self._log(name, place, problem, lost)
    kept = np.flatnonzero(~lost)
    return (boxes if self.exact else cut)[kept], kept

  def _kept(self, problem: int, area: bool) -> bool:
    """Whether a bad box stays; `area` is whether it has any in its image."""
    if self.exact:
      some = _LEAVES if self.on_bad_box == "clip" else _EMPTY
      return problem >= some
    return problem == _LEAVES and area

  def _log(self, name, place, problem, lost) -> None:
    """Counts what was done, once a place."""
    bad = np.flatnonzero(lost if self.exact else problem >= 0)
    with self._lock:
      new = [i for i in bad if place(i) not in self.bad]
      for i in new:
        done = "left out" if lost[i] else "cut to the image"
        self.bad[place(i)] = f"{_PROBLEMS[problem[i]]}; it was {done}"
    if new:
      out = int(lost[new].sum())
      first = f"{place(new[0])} {self.bad[place(new[0])]}"
      _LOG.warning(
        "%s: %d of %d boxes were left out and %d cut to their image, such as "
        "%s.",
        *(name, out, len(lost), len(new) - out, first),
      )


def _problems(
  boxes: np.ndarray, cut: np.ndarray, high: np.ndarray
) -> np.ndarray:
  """Which of `_PROBLEMS` each xyxy box (n, 4) has, (n,); -1 is none."""
  with np.errstate(invalid="ignore"):  # inf - inf
    side = boxes[:, 2:] - boxes[:, :2]
    left = cut[:, 2:] - cut[:, :2]
  out = (boxes < -_TOLERANCE).any(1) | (boxes > high + _TOLERANCE).any(1)
  wrong = [
    ~np.isfinite(boxes).all(1),
    (side < 0).any(1),
    (side <= 0).any(1),
    out | (left <= 0).any(1),
  ]
  return np.select(wrong, range(len(wrong)), -1)


def _message(where: str, box, problem: int, size) -> str:
  return (
    f"{where} {_PROBLEMS[problem]}: x {box[0]:g} to {box[2]:g}, y {box[1]:g} "
    f"to {box[3]:g} in an image of {size[0]:g}x{size[1]:g} (height x width); "
    "expected corners inside it, the second below and right of the first. "
    "Correct the annotation, or pass --config.on_bad_box=drop (or clip)."
  )
