"""Keypoints in COCO's files: what categories name, and what objects have."""

import dataclasses
import functools
import re
from collections.abc import Sequence

import numpy as np

from vision_jax.data.errors import DataError
from vision_jax.data.sources.class_names import some
from vision_jax.data.sources.coco_file import CocoFile, Row, is_number

_OTHER = {"left": "right", "right": "left"}
_SIDE = re.compile("left|right", re.IGNORECASE)


@dataclasses.dataclass(frozen=True)
class Keypoints:
  """What the j keypoints of a file's objects are.

  Attributes:
    names: of each, j.
    skeleton: pairs of places, 0 ... j - 1, that a line joins.
    pairs: pairs of places that change in a mirror; None where the file does
      not say it, and the names do.
  """

  names: tuple[str, ...]
  skeleton: tuple[tuple[int, int], ...] = ()
  pairs: tuple[tuple[int, int], ...] | None = None

  @functools.cached_property
  def mirrored(self) -> tuple[int, ...]:
    """The place of the keypoint that each one is in a mirror, j.

    Without `pairs`, "left" in a name, at any place of it, becomes "right" and
    the other way; what has neither stays itself.

    Raises:
      DataError: for a name whose other side no keypoint has.
    """
    places = [*range(len(self.names))]
    if self.pairs is not None:
      for a, b in self.pairs:
        places[a], places[b] = b, a
      return tuple(places)
    for i, name in enumerate(self.names):
      other = _SIDE.sub(_other_side, name)
      if other not in self.names:
        raise DataError(
          f"keypoints: {name!r} is on one side, and no keypoint is {other!r}; "
          "expected both, as images are mirrored. Rename one, add flip_pairs "
          "to the category, such as [[1, 2]] for the first two, or pass "
          "--config.flip=0 --config.flip_vertical=0."
        )
      places[i] = self.names.index(other)
    return tuple(places)


def keypoints_of(file: CocoFile, given: Sequence[str] = ()) -> Keypoints:
  """Returns what the categories with annotations name, which has to be one.

  A category has `keypoints`, their names in order; and may have `skeleton`, and
  `flip_pairs` (which COCO's have not): lists of two keypoints each, counted
  from 1.

  Args:
    file: the file.
    given: the names that are expected, in order; () for the file's own.

  Raises:
    DataError: naming the category that has none, or others.
  """
  found: dict[str, Keypoints] = {}
  for i in sorted(file.counts, key=str):
    where = f"COCO file {file.path}: category {i!r} {file.names[i]!r}"
    found[where] = _of_category(file.categories[i], where)
  if not found:
    return Keypoints(tuple(given))
  (first, kind), *others = found.items()
  if given and kind.names != tuple(given):
    raise DataError(
      f"{first} has the keypoints {some(kind.names)}; expected "
      f"{some(given)}, in this order. Correct the file, or "
      "--config.keypoint_names."
    )
  for where, other in others:
    if other != kind:
      raise DataError(
        f"{where} has the keypoints {some(other.names)}, and they or their "
        f"lines are not those of {first}; expected the same of all. Put them "
        "into files of their own, or correct the category."
      )
  return kind


def points_of(given: object, kind: Keypoints) -> np.ndarray | str:
  """Returns an annotation's keypoints (j, 3), or what is wrong with them.

  They are x and y in pixels, and the visibility: 0 is not labelled, 1 hidden, 2
  seen. One that is not labelled is at 0.
  """
  number = 3 * len(kind.names)
  if not isinstance(given, list):
    return "has no list of keypoints"
  if len(given) != number:
    return (
      f"has {len(given)} numbers of keypoints, not the {number} of "
      f"{len(kind.names)} named"
    )
  for i, name in enumerate(kind.names):
    *place, seen = given[3 * i : 3 * i + 3]
    if isinstance(seen, bool) or seen not in (0, 1, 2):
      return f"has the visibility {seen!r:.40} of {name!r}, not 0, 1 or 2"
    if not all(map(is_number, place)):
      return f"has {name!r} at {place!r:.80}, which is no place"
  points = np.array(given, np.float64).reshape(-1, 3)
  return np.where(points[:, 2:] > 0, points, 0)


def _of_category(entry: Row, where: str) -> Keypoints:
  names = entry.get("keypoints")
  fits = isinstance(names, list) and bool(names) and all(map(_is_name, names))
  if not fits or len({*names}) < len(names):
    raise DataError(
      f"{where} has keypoints {names!r:.80}; expected a list of names, none "
      "twice. Add them to the category, in the order of the annotations."
    )
  lines = _pairs(entry, "skeleton", len(names), where)
  pairs = _pairs(entry, "flip_pairs", len(names), where)
  flat = [i for pair in pairs or () for i in pair]
  if len({*flat}) < len(flat):
    raise DataError(
      f"{where} has flip_pairs {entry['flip_pairs']!r:.80}; expected each "
      "keypoint in one pair at most. Correct the category."
    )
  return Keypoints(tuple(names), lines or (), pairs)


def _pairs(
  entry: Row, key: str, number: int, where: str
) -> tuple[tuple[int, int], ...] | None:
  """Returns pairs of keypoints, which the file counts from 1, from 0."""
  given = entry.get(key)
  if given is None:
    return None
  counts = lambda i: type(i) is int and 1 <= i <= number
  two = lambda x: isinstance(x, list) and len(x) == 2 and all(map(counts, x))
  if not isinstance(given, list) or not all(map(two, given)):
    raise DataError(
      f"{where} has {key} {given!r:.80}; expected pairs of keypoints, 1 to "
      f"{number}, such as [[1, 2]]. Correct the category."
    )
  return tuple((a - 1, b - 1) for a, b in given)


def _other_side(found: re.Match[str]) -> str:
  """The other side, in the letters that the name has."""
  word = found[0]
  other = _OTHER[word.lower()]
  if word.isupper():
    return other.upper()
  return other.capitalize() if word[0].isupper() else other


def _is_name(name: object) -> bool:
  return isinstance(name, str) and bool(name.strip())
