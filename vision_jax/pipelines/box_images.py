"""A batch's first images, true boxes beside those found, for the log."""

import functools
from collections.abc import Callable, Sequence

import numpy as np

from vision_jax.data.transforms.boxes import to_pixels
from vision_jax.pipelines.data import Arrays
from vision_jax.viz.bands import show_bands
from vision_jax.viz.boxes import draw_boxes
from vision_jax.viz.grid import enlarge, enlargement, grid
from vision_jax.viz.keypoints import draw_keypoints

SIDE = 256  # pixels of an image at least, which text fits in
COLUMNS = 2  # of pairs


def box_images(
  names: Sequence[str],
  most: int = 8,
  least: float = 0.3,
  bands: Sequence[int] = (),
  skeleton: Sequence[tuple[int, int]] = (),
) -> Callable[[Arrays, Arrays], dict[str, np.ndarray]]:
  """Returns what draws a batch's first images with their boxes.

  The true ones, and beside them those found with a score of `least`; if an
  image has none of those, the best of the others, as many as are true.

  Args:
    names: the classes' names.
    most: images.
    least: score of a box that is drawn.
    bands: of an image, that are shown, see `show_bands`.
    skeleton: of boxes that have keypoints, pairs with a line between them.
  """

  def draw(batch: Arrays, out: Arrays) -> dict[str, np.ndarray]:
    cells, titles = [], []
    for i in range(min(most, len(batch["image"]))):
      true, label = _truth(batch, i)
      found, title = _found(out, i, least, len(true))
      boxes, score, found_label = (out[k][i][found] for k in _FOUND)
      image = show_bands(_visible(batch, i), bands)
      size, shrink = image.shape[:2], _shrink(batch, i, image)
      show = functools.partial(_draw, image, names=names, skeleton=skeleton)
      real = np.asarray(batch["box_mask"][i]) > 0
      points = _points(batch, i, real) * [*size[::-1], 1]
      cells.append(show(to_pixels(true, size), label, points=points))
      points = _points(out, i, found) * [*shrink[:2], 1]
      found_boxes = boxes * shrink, found_label, score
      cells.append(show(*found_boxes, points=points))
      titles += ["truth", title]
    return {"boxes": grid(cells, 2 * COLUMNS, titles=titles)}

  return draw


_FOUND = ("boxes", "score", "label")


def _truth(batch: Arrays, i: int) -> tuple[np.ndarray, np.ndarray]:
  """An image's true boxes cxcywh in [0, 1], and their labels."""
  real = np.asarray(batch["box_mask"][i]) > 0
  return tuple(np.asarray(batch[k][i])[real] for k in ("boxes", "label"))


def _found(
  out: Arrays, i: int, least: float, number: int
) -> tuple[np.ndarray, str]:
  """Which of an image's boxes are drawn, and what is written above."""
  score = np.asarray(out["score"][i])
  sure = np.flatnonzero(score >= least)
  if len(sure) or not number:
    return sure, f"prediction, score from {least:g}"
  best = np.argsort(-score)[:number]
  return best[score[best] != 0], f"prediction, the best {number}"


def _points(arrays: Arrays, i: int, which: np.ndarray) -> np.ndarray:
  """The keypoints (n, j, 3) of some of an image's boxes; none, if none are."""
  if "keypoints" not in arrays:
    return np.zeros((0, 0, 3))
  return np.asarray(arrays["keypoints"][i])[which]


def _draw(
  image, boxes, labels, scores=None, *, names, points, skeleton
) -> np.ndarray:
  factor = enlargement(image.shape[:2], SIDE)
  drawn = draw_boxes(
    *(enlarge(image, factor), boxes * factor, labels, scores),
    class_names=names,
    thickness=1,
  )
  return draw_keypoints(drawn, points * [factor, factor, 1], skeleton)


def _visible(batch: Arrays, i: int) -> np.ndarray:
  """The image without padding."""
  image = np.asarray(batch["image"][i])
  if "image_mask" in batch:
    mask = np.asarray(batch["image_mask"][i]) > 0
    image = image[: max(mask.any(1).sum(), 1), : max(mask.any(0).sum(), 1)]
  return image


def _shrink(batch: Arrays, i: int, image: np.ndarray) -> np.ndarray:
  """What turns pixels of the original into those of `image`."""
  if "size" not in batch:
    return np.ones(4)
  part = np.array(image.shape[:2]) / np.maximum(np.asarray(batch["size"][i]), 1)
  return np.tile(part[::-1], 2)
