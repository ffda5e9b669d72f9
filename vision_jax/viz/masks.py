"""Predicted masks as files: raw labels, and colours over the image."""

import os
import pathlib
from collections.abc import Sequence

import cv2
import numpy as np

from vision_jax.files import replace_bytes
from vision_jax.viz.overlay import overlay_mask, resize_mask, with_legend
from vision_jax.viz.pixels import to_rgb


def write_masks(
  folder: str | os.PathLike[str],
  name: str,
  image: np.ndarray,
  target: np.ndarray,
  class_names: Sequence[str] = (),
  *,
  colours: np.ndarray | None = None,
  ignore: int | None = 255,
  alpha: float = 0.5,
) -> tuple[pathlib.Path, pathlib.Path]:
  """Writes `masks/NAME.png` and `overlays/NAME.png` into a folder.

  The mask has the labels as they are, at the image's own size, 8 bits (16 for
  more than 255 classes); the overlay has them in colours over the image, with a
  legend where there are class names.

  Args:
    folder: is made where it is missing.
    name: without suffix; may have folders in it.
    image: the original picture, see `to_rgb`.
    target: (h w) predicted labels, of any size.
    class_names: of the labels.
    colours: (k, 3); None for `palette(k)`.
    ignore: the value that is no class.
    alpha: how much of the colour the overlay has.

  Returns:
    The paths of the mask and of the overlay.

  Raises:
    OSError: if a file cannot be written.
  """
  image = to_rgb(image)
  target = resize_mask(target, image.shape[:2])
  top = int(target.max(initial=0))
  known = target[target != ignore] if ignore is not None else target
  k = len(class_names) or int(known.max(initial=0)) + 1
  shown = overlay_mask(
    image,
    target,
    k if colours is None else colours,
    ignore=ignore,
    alpha=alpha,
  )
  if class_names:
    shown = with_legend(shown, class_names, colours)
  paths = tuple(
    pathlib.Path(folder) / kind / f"{name}.png"
    for kind in ("masks", "overlays")
  )
  write_png(paths[0], target.astype(np.uint8 if top < 256 else np.uint16))
  write_png(paths[1], shown)
  return paths


def write_png(path: str | os.PathLike[str], image: np.ndarray) -> None:
  """Writes (h w) of 8 or 16 bits, or (h w 3) uint8 RGB.

  Raises:
    OSError: if the file cannot be written.
  """
  path = pathlib.Path(path)
  if image.ndim == 3:
    image = np.ascontiguousarray(image[..., ::-1])
  done, data = cv2.imencode(".png", image)
  if not done:
    raise OSError(f"{path}: the picture {image.shape} cannot be encoded.")
  replace_bytes(path, data.tobytes())
