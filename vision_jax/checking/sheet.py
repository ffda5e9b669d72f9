"""A sheet of examples with what annotations say of them."""

import pathlib
from collections.abc import Sequence

import numpy as np

from vision_jax.checking.survey import Survey
from vision_jax.data.found import BOXES, MASKS
from vision_jax.data.images import resize_image
from vision_jax.data.source import Example
from vision_jax.data.transforms.boxes import to_pixels
from vision_jax.viz.bands import show_bands
from vision_jax.viz.boxes import draw_boxes
from vision_jax.viz.grid import grid
from vision_jax.viz.overlay import overlay_mask
from vision_jax.viz.palette import palette
from vision_jax.viz.pixels import to_rgb
from vision_jax.viz.png import write_png

_SIDE = 256  # pixels of an example's longer side, at most


def write_sheet(
  path: pathlib.Path, found: Survey, has: str, bands: Sequence[int] = ()
) -> None:
  """Writes the examples that were kept, each with its truth, as one PNG.

  Args:
    path: the file.
    found: what has the examples.
    has: their truth, "labels", "boxes" or "masks".
    bands: of an image, that are shown, see `show_bands`.
  """
  cells = [_cell(example, found.names, has, bands) for example in found.shown]
  titles = [_title(example, found.names, has) for example in found.shown]
  write_png(path, grid(cells, titles=titles))


def shrunk(image: np.ndarray, most: int) -> np.ndarray:
  """Returns an image (h w c) whose longer side has so many pixels at most."""
  factor = min(most / max(image.shape[:2]), 1)
  h, w = (max(round(n * factor), 1) for n in image.shape[:2])
  return resize_image(image, (h, w))


def _cell(
  example: Example, names: tuple[str, ...], has: str, bands: Sequence[int]
) -> np.ndarray:
  image = to_rgb(show_bands(example["image"], bands))
  image = shrunk(image, _SIDE)
  if has == MASKS:
    values, indices = np.unique(example["target"], return_inverse=True)
    colours = palette(int(values.max()) + 1)[values]
    indices = indices.reshape(example["target"].shape)
    return overlay_mask(image, indices, colours, ignore=None)
  if has == BOXES:
    return draw_boxes(
      image,
      to_pixels(example["boxes"], image.shape[:2]),
      example["label"],
      class_names=names,
      thickness=1,
    )
  return image


def _title(example: Example, names: tuple[str, ...], has: str) -> str:
  if has in (BOXES, MASKS):
    return example["split"]
  return f"{example['split']}: {names[int(example['label'])]}"
