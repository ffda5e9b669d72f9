"""The masks of an evaluation at their own size, for its metrics."""

import functools
import pathlib
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image

from vision_jax.data.errors import BadImage
from vision_jax.data.headers import size_of
from vision_jax.data.reading import reading
from vision_jax.data.transforms.base import Transform
from vision_jax.viz.overlay import resize_mask


class OwnSize:
  """Masks by their positions in a data set, before they were resized.

  Args:
    masks: () -> the files; called once, on first use.
    transform: `decode_target`.
  """

  def __init__(
    self, masks: Callable[[], Sequence[pathlib.Path]], transform: Transform
  ):
    self._masks, self._transform = masks, transform

  @functools.cached_property
  def _files(self) -> Sequence[pathlib.Path]:
    return self._masks()

  @functools.cached_property
  def _sizes(self) -> set[tuple[int, int]]:
    """Heights and widths that occur; unreadable files have none."""
    return {size for size in map(_size, self._files) if size}

  def differs(self, size: tuple[int, int]) -> bool:
    """Whether a mask has another size (h, w) than `size`; reads headers."""
    return self._sizes != {tuple(size)}

  def __call__(
    self, index: int, guess: np.ndarray
  ) -> tuple[np.ndarray, np.ndarray]:
    """Returns a mask's classes (h, w), and the prediction at that size.

    The prediction is resized as a written mask is.
    """
    path = self._files[index]
    example = {"target": path.read_bytes(), "target_name": str(path)}
    truth = self._transform(example, None)["target"]
    return truth, resize_mask(guess, truth.shape)


def _size(path: pathlib.Path) -> tuple[int, int] | None:
  try:
    if path.suffix.lower() == ".npy":
      return size_of(path.read_bytes())
    with reading(str(path)), Image.open(path) as image:
      return image.size[::-1]
  except (BadImage, OSError):
    return None  # decoding says what is wrong
