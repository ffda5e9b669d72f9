"""Images that an exported net is compared on."""

import numpy as np

from vision_jax.data.errors import DataError
from vision_jax.data.loader import Loader
from vision_jax.data.source import Source
from vision_jax.data.sources.arrays import ArraySource
from vision_jax.data.sources.image_list import ImageList
from vision_jax.errors import UserError
from vision_jax.experiment import Predict
from vision_jax.export.net import GIVEN

COUNT = 4  # images at a time; one alone is tried too


def examples(
  how: Predict, channels: int, images: str | None = None
) -> tuple[np.ndarray, ...]:
  """Returns a batch of images as a net is given them: arrays of GIVEN.

  Args:
    how: what images go through.
    channels: of an image, c.
    images: the user's, as `ImageList` takes them, of which the first are used;
      None for scikit-learn's two photographs, each also mirrored.

  Raises:
    UserError: if the net's images are no photographs, and none are given.
  """
  source = ImageList(images) if images else ArraySource(_photographs(channels))
  try:
    batch = _first_batch(source, how)
  except DataError as error:
    if images:
      raise
    raise UserError(
      f"--images: got none, and photographs do not do for this net ({error}); "
      "expected a few images as it was trained on, to compare what is written "
      "with the net."
    ) from error
  return tuple(batch[name] for name in GIVEN if name in batch)


def _first_batch(source: Source, how: Predict) -> dict[str, np.ndarray]:
  size = min(COUNT, len(source))
  with Loader(source, how.transforms, size, shuffle=False, threads=1) as loader:
    return next(loader.epoch())


def _photographs(channels: int) -> dict[str, np.ndarray]:
  from sklearn.datasets import load_sample_images

  found = np.stack(load_sample_images().images)
  if channels == 1:
    found = np.round(found.mean(-1, keepdims=True)).astype(np.uint8)
  return {"image": np.concatenate([found, found[:, :, ::-1]])}
