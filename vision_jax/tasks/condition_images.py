"""An image as a condition: super-resolution, inpainting, colours."""

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from vision_jax.core.types import Array, Batch, HostBatch
from vision_jax.errors import UserError
from vision_jax.tasks.conditions import Condition, entry


@dataclasses.dataclass(frozen=True)
class ImageCondition(Condition):
  """An image (b, h, w, c) of a batch; black or grey, 0, where nothing is given.

  A net that adds up pixels sees it beside the noise: a smaller one, or one with
  holes, is to be brought to that size in the data. Samples are asked for by
  arrays, --sample.KEY=FILE.npy, as the task sees them: after `inputs`.

  Attributes:
    key: name of the image in a batch.
  """

  key: str

  @property
  def asks(self) -> Sequence[str]:
    """Samples are asked for by the image's name in a batch."""
    return (self.key,)

  def given(self, batch: Batch) -> Array:
    """Returns the images (b, h, w, c)."""
    return entry(batch, self.key, "(b, h, w, c)")

  def null(self, given: Array) -> Array:
    """Returns images of 0."""
    return jnp.zeros_like(given)

  def ask(
    self, number: int, wanted: Mapping[str, Any], *, row: int = 1
  ) -> HostBatch:
    """Returns the images of the file asked for, in turn."""
    flag = f"--sample.{self.key}"
    if self.key not in wanted:
      raise UserError(
        f"{flag} is missing: this model draws what belongs to an image; "
        "expected FILE.npy, an array (n, h, w, c) as the task sees it."
      )
    path = pathlib.Path(wanted[self.key])
    try:
      images = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
      raise UserError(f"{flag}: {path} cannot be read: {error}") from None
    if (
      not isinstance(images, np.ndarray) or images.ndim != 4 or not len(images)
    ):
      raise UserError(
        f"{flag}: got {getattr(images, 'shape', 'no array')} in {path}; "
        "expected one array (n, h, w, c)."
      )
    images = images.astype(np.float32)
    return {self.key: images[np.arange(number) // row % len(images)]}
