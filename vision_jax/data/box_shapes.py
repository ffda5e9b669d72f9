"""The shapes of a data set's boxes, and what anchors they ask for.

Redmon and Farhadi, 2016, https://arxiv.org/abs/1612.08242, section 2.
"""

from collections.abc import Sequence

import numpy as np

from vision_jax.data.errors import DataError
from vision_jax.data.source import Source, read

MOST = 1000  # images that are asked
_PART = 32  # of them at a time
_ROUNDS = 100


def box_shapes(
  source: Source,
  size: Sequence[int],
  *,
  letterbox: bool = False,
  most: int = MOST,
) -> np.ndarray:
  """Returns widths and heights (n, 2) of a source's boxes, in pixels, float64.

  Args:
    source: images with boxes as `transforms.boxes` says, that is read.
    size: (h, w) that all images are resized to.
    letterbox: whether they keep their proportions there.
    most: images that are asked, evenly from the first to the last.

  Raises:
    DataError: if no image has a box with an area.
  """
  count = min(len(source), most)
  asked = np.linspace(0, len(source) - 1, count).astype(np.int64)
  found = []
  for start in range(0, count, _PART):
    for example in read(source, asked[start : start + _PART]):
      sides = np.asarray(example["boxes"], np.float64)[:, 2:]
      if "box_mask" in example:
        sides = sides[np.asarray(example["box_mask"]) > 0]
      found.append(sides * _pixels(example, size, letterbox))
  shapes = np.concatenate(found) if found else np.zeros((0, 2))
  shapes = shapes[(shapes > 0).all(1)]
  if not len(shapes):
    raise DataError(
      f"anchors: none of {count} images has a box; expected boxes to choose "
      "them by, or --config.anchors=WIDTH,HEIGHT,WIDTH,HEIGHT in pixels."
    )
  return shapes


def _pixels(example, size: Sequence[int], letterbox: bool) -> np.ndarray:
  """Width and height of what is resized to `size`."""
  h, w = size
  if letterbox:
    height, width = example["size"]
    factor = min(h / height, w / width)
    h, w = height * factor, width * factor
  return np.array([w, h], np.float64)


def clusters(shapes: np.ndarray, k: int) -> np.ndarray:
  """Returns k shapes (k, 2) that others are like, smallest area first.

  The k-means of shapes (n, 2), where the distance is 1 - IoU of two boxes
  around one point. It begins with shapes of evenly spaced areas, so that
  nothing is drawn, and ends where no shape changes its mean, or after 100
  rounds.

  Raises:
    DataError: for fewer shapes than k.
  """
  if not 1 <= k <= len(shapes):
    raise DataError(
      f"anchors: got {k} of {len(shapes)} boxes; expected one or more, and no "
      "more than there are boxes."
    )
  order = np.argsort(shapes.prod(1), kind="stable")
  places = ((np.arange(k) + 0.5) * len(shapes) / k).astype(np.int64)
  means, before = shapes[order[places]], None
  for _ in range(_ROUNDS):
    nearest = overlaps(shapes, means).argmax(1)
    if before is not None and (nearest == before).all():
      break
    before = nearest
    for i in range(k):
      if (nearest == i).any():
        means[i] = shapes[nearest == i].mean(0)
  return means[np.argsort(means.prod(1), kind="stable")]


def overlaps(a: np.ndarray, b: np.ndarray) -> np.ndarray:
  """Returns the IoU (n, m) of shapes (n, 2) and (m, 2) around one point."""
  both = np.minimum(a[:, None], b).prod(-1)
  return both / (a.prod(1)[:, None] + b.prod(1) - both)
