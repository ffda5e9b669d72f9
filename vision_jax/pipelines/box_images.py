"""A batch's first images with the boxes found, for the log."""

from collections.abc import Callable, Sequence

import numpy as np

from vision_jax.pipelines.data import Arrays
from vision_jax.viz.boxes import draw_boxes
from vision_jax.viz.grid import grid


def box_images(
  names: Sequence[str], most: int = 8, least: float = 0.3
) -> Callable[[Arrays, Arrays], dict[str, np.ndarray]]:
  """Returns what draws a batch's first images with the boxes found.

  Args:
    names: of the classes.
    most: images.
    least: score of a box that is drawn.
  """

  def draw(batch: Arrays, out: Arrays) -> dict[str, np.ndarray]:
    shown = []
    for i in range(min(most, len(batch["image"]))):
      sure = out["score"][i] >= least
      image = _visible(batch, i)
      boxes = out["boxes"][i][sure] * _shrink(batch, i, image)
      scores, labels = out["score"][i][sure], out["label"][i][sure]
      shown.append(
        draw_boxes(
          *(image, boxes, labels, scores), class_names=names, thickness=1
        )
      )
    return {"boxes": grid(shown)}

  return draw


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
