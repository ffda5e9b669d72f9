"""Masks of single objects as COCO has them: run lengths, and polygons.

A run-length encoding is {"size": [h, w], "counts": ...}: the lengths of runs of
0 and 1 in turn, down the columns. They are a list, or COCO's text of them; what
is returned here has the text.
"""

import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

Rle = dict[str, Any]
_CORNERS = 3  # that a polygon has at least


def encoded(masks: np.ndarray) -> list[Rle]:
  """Returns the run lengths of masks (n, h, w), 0 or not."""
  n, h, w = masks.shape
  if not n:
    return []
  from faster_coco_eval.core import mask

  columns = np.asfortranarray((masks != 0).transpose(1, 2, 0), np.uint8)
  return [as_text(rle) for rle in mask.encode(columns.reshape(h, w, n))]


def decoded(rles: Sequence[Rle], size: tuple[int, int]) -> np.ndarray:
  """Returns masks (n, h, w) uint8 of run lengths that `checked` has seen."""
  if not len(rles):
    return np.zeros((0, *size), np.uint8)
  from faster_coco_eval.core import mask

  return np.ascontiguousarray(mask.decode(list(rles)).transpose(2, 0, 1))


def areas(rles: Sequence[Rle]) -> np.ndarray:
  """Returns how many pixels masks have, (n,) float64."""
  from faster_coco_eval.core import mask

  return np.asarray([float(mask.area(rle)) for rle in rles], np.float64)


def as_text(rle: Rle) -> Rle:
  """Returns run lengths whose text is no bytes, as json takes them."""
  counts = rle["counts"]
  counts = counts.decode("ascii") if isinstance(counts, bytes) else counts
  return {"size": [int(x) for x in rle["size"]], "counts": counts}


def checked(segmentation: object, size: tuple[int, int]) -> Rle | str:
  """Returns the run lengths of an annotation, or what is wrong with it.

  Polygons are filled as COCO's tools do it. One of two points or fewer has no
  area: it is left out where there are others.

  Args:
    segmentation: of COCO's json: polygons [[x, y, x, y, ...], ...], or run
      lengths.
    size: height and width of its image.
  """
  if isinstance(segmentation, dict):
    return _run_lengths(segmentation, size)
  if not isinstance(segmentation, list):
    return f"is {_short(segmentation)}, neither polygons nor run lengths"
  return _polygons(segmentation, size)


def counts_of(text: str) -> list[int] | None:
  """Returns the numbers of COCO's text of run lengths; None if it is none.

  Each number is in groups of five bits, the lowest first, a character each;
  from the fourth on it is a difference to the one two places before.
  """
  counts: list[int] = []
  value = bits = 0
  for character in text:
    code = ord(character) - 48
    if not 0 <= code < 64 or bits > 30:
      return None
    value |= (code & 31) << bits
    bits += 5
    if code & 32:
      continue
    if code & 16:
      value -= 1 << bits
    counts.append(value + (counts[-2] if len(counts) > 2 else 0))
    value = bits = 0
  return None if bits else counts


def _run_lengths(segmentation: Rle, size: tuple[int, int]) -> Rle | str:
  given, counts = segmentation.get("size"), segmentation.get("counts")
  if given != list(size):
    return f"has run lengths of the size {_short(given)}, not {list(size)}"
  numbers = counts_of(counts) if isinstance(counts, str) else counts
  whole = isinstance(numbers, list) and all(
    type(x) is int and x >= 0 for x in numbers
  )
  if not whole:
    return f"has run lengths {_short(counts)}, which cannot be read"
  total, pixels = sum(numbers), size[0] * size[1]
  if total != pixels:
    return f"has run lengths of {total} pixels, not of the image's {pixels}"
  if not sum(numbers[1::2]):
    return "has a mask without a pixel"
  if isinstance(counts, str):
    return {"size": list(size), "counts": counts}
  from faster_coco_eval.core import mask

  return as_text(mask.frPyObjects(segmentation, *size))


def _polygons(polygons: list, size: tuple[int, int]) -> Rle | str:
  for polygon in polygons:
    if not isinstance(polygon, list) or len(polygon) % 2:
      return f"has the polygon {_short(polygon)}, no list of x and y in turn"
    if not all(_is_number(x) for x in polygon):
      return f"has the polygon {_short(polygon)} with what is no coordinate"
  real = [x for x in polygons if len(x) >= 2 * _CORNERS]
  if not real:
    return "has no polygon of three points or more"
  from faster_coco_eval.core import mask

  floats = [list(map(float, x)) for x in real]
  rle = as_text(mask.merge(mask.frPyObjects(floats, *size)))
  return rle if mask.area(rle) else "has a mask without a pixel"


def _is_number(x: object) -> bool:
  return type(x) in (int, float) and math.isfinite(x) and abs(x) < 2**24


def _short(value: object) -> str:
  text = json.dumps(value, default=repr)
  return text if len(text) <= 60 else text[:57] + "..."
