"""What models for segmentation and detection ask of a backbone."""

from collections.abc import Mapping
from typing import Protocol

from vision_jax.core.types import Array


class Backbone(Protocol):
  """A module whose maps other models read, such as `ResNet`.

  Attributes:
    strides: level -> pixels of the image from one place of its map to the next,
      in the order in which they are computed: {"c2": 4, "c3": 8}.
  """

  strides: Mapping[str, int]

  def __call__(
    self,
    x: Array,
    *,
    train: bool,
    mask: Array | None = None,
    features: bool = False,
  ) -> dict[str, Array]:
    """Maps images x (b, h, w, c), with features=True, to a map a level.

    Each is (b, h', w', d). `mask` (b,) says which examples count in BatchNorm.
    """
