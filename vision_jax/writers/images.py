"""Images as PNGs, as one grid, and as arrays in an npz."""

import contextlib
import io
from collections.abc import Sequence

import numpy as np
from etils import epath

from vision_jax.errors import RunFailure
from vision_jax.files import replace_bytes
from vision_jax.viz.grid import grid
from vision_jax.viz.mp4 import Mp4
from vision_jax.viz.png import write_png

SHOWN = 400  # images of the grid, at most
WRITTEN = (
  r"\d{5,}\.png|grid\.png|samples\.(npz|mp4)|nearest\.(png|json)|"
  r"along\.(png|mp4)"
)
FRAME = 256  # pixels of a video's longer side, at least


def to_bytes(image: np.ndarray, value_range: tuple[float, float]) -> np.ndarray:
  """Returns images as uint8; what is outside the range is clipped.

  Raises:
    RunFailure: if values are not finite.
  """
  if not np.isfinite(image).all():
    raise RunFailure(
      f"samples: {int((~np.isfinite(image)).sum())} values are not finite; "
      "expected finite images. Choose another checkpoint, or less guidance."
    )
  low, high = value_range
  share = (np.clip(image, low, high) - low) / (high - low)
  return np.round(share * 255).astype(np.uint8)


def write_images(
  folder: epath.Path, arrays: dict[str, np.ndarray], columns: int | None
) -> None:
  """Writes `grid.png`, `00000.png` and on, and `samples.npz`.

  The grid has the first `SHOWN`.

  Args:
    folder: created if missing.
    arrays: `image` (n, h, w, c) uint8, and others of the npz.
    columns: number of the grid's columns; None is about square.
  """
  folder.mkdir(parents=True, exist_ok=True)
  images = arrays["image"]
  write_png(folder / "grid.png", grid(images[:SHOWN], columns))
  for number, image in enumerate(images):
    write_png(folder / f"{number:05d}.png", image)
  file = io.BytesIO()
  np.savez(file, **arrays)
  replace_bytes(folder / "samples.npz", file.getvalue())


def write_video(
  path: epath.Path, images: Sequence[np.ndarray], rate: float
) -> None:
  """Writes images of one size as the frames of an MP4, small ones enlarged.

  Args:
    path: the file.
    images: each (h, w, c) uint8.
    rate: images a second.
  """
  with contextlib.closing(Mp4(path, rate)) as video:
    for image in images:
      video.add(grid([image], least=FRAME))
