"""Augmentation of one's own data, by the same keys whatever they are.

  --config.augment.rotation=15 --config.augment.scale=0.8,1.25
  --config.augment.flip=both --config.augment.noise=0.05

0, or nothing, is off. In this order: crop, scale, rotation and translation
(with one resampling), flips, colours, noise, erasing. What moves an image moves
its mask or boxes.
"""

import dataclasses
import math
from collections.abc import Sequence

import ml_collections

from vision_jax.core.types import Augment
from vision_jax.errors import UserError
from vision_jax.ops import augment
from vision_jax.ops.augment.affine import NONE, Range
from vision_jax.ops.augment.boxes import random_crop_boxes, random_flip_boxes
from vision_jax.ops.augment.dense import random_window
from vision_jax.pipelines.colours import IMAGENET, Colours, check_coloured

FLIPS = {
  **{"": (0.0, 0.0), "0": (0.0, 0.0), "horizontal": (0.5, 0.0)},
  **{"vertical": (0.0, 0.5), "both": (0.5, 0.5)},
}
_COLOURS = ("brightness", "contrast", "saturation", "hue")


def augment_config(**values: object) -> dict[str, object]:
  """Returns the block `augment` of a config, everything off but `values`."""
  fields = dataclasses.fields(Augmentation)
  return {f.name: f.default for f in fields} | values


@dataclasses.dataclass(frozen=True)
class Augmentation:
  """What is drawn for each example, and how strong it is at most.

  Attributes:
    crop: (smallest, largest) area of a random window as a part of the image's,
      which is enlarged to the net's size; more than 1 shrinks the image, where
      it has boxes or a mask.
    crop_ratio: (smallest, largest) width / height of that window; as a part of
      the image's own where it has boxes or a mask.
    scale: (smallest, largest) enlargement, about a random place.
    rotation: degrees, either way.
    translation: part of the image's sides, either way.
    flip: "horizontal" (left and right), "vertical" or "both", of every second
      image.
    brightness, contrast, saturation: change of the factor, see `color_jitter`.
    hue: part of the circle, either way.
    noise: standard deviation of Gaussian noise, where black is 0 and white 1.
    erasing: how often a rectangle of 2 to 33 % is painted over; masks and boxes
      stay.
  """

  crop: Sequence[float] = ()
  crop_ratio: Sequence[float] = NONE
  scale: Sequence[float] = ()
  rotation: float = 0.0
  translation: float = 0.0
  flip: str = ""
  brightness: float = 0.0
  contrast: float = 0.0
  saturation: float = 0.0
  hue: float = 0.0
  noise: float = 0.0
  erasing: float = 0.0

  def __post_init__(self):
    for name in ("crop", "crop_ratio", "scale"):
      object.__setattr__(self, name, _range(name, getattr(self, name)))
    if self.flip not in FLIPS:
      raise UserError(
        f"--config.augment.flip: got {self.flip!r}; expected horizontal, "
        "vertical or both, or 0 for none."
      )

  @classmethod
  def of(cls, config: ml_collections.ConfigDict) -> "Augmentation":
    """Returns what the block `augment` of a config says."""
    return cls(**config.augment.to_dict())

  def labels(self, colours: Colours = IMAGENET) -> Augment | None:
    """Returns what augments images alone; their crop is the host's.

    Args:
      colours: mean and standard deviation by which they were normalised.
    """
    if self.crop and self.crop[1] > 1:
      raise UserError(
        f"--config.augment.crop: got {self.crop}; expected parts of the area, "
        "0 to 1, such as 0.25,1."
      )
    return _all([*self._warp(), *self._flip(), *self._look(colours)])

  def masks(
    self, window: Sequence[int] = (), colours: Colours = IMAGENET
  ) -> Augment | None:
    """Returns what augments images with masks.

    Args:
      window: (h, w) that is cut out at random; () for none.
      colours: see `labels`.
    """
    size = tuple(window) or None
    crop, ratio = self.crop or NONE, self.crop_ratio
    moves = self._warp(crop=crop, ratio=ratio if self.crop else NONE, size=size)
    if size and not moves:
      moves = [random_window(size)]
    return _all([*moves, *self._flip(), *self._look(colours)])

  def boxes(self, colours: Colours = IMAGENET) -> Augment | None:
    """Returns what augments images with boxes, padded or not."""
    moves = []
    if self.crop:
      sides = tuple(math.sqrt(area) for area in self.crop)
      moves.append(random_crop_boxes(sides, ratio=self.crop_ratio))
    moves += self._warp()
    across, down = FLIPS[self.flip]
    if across or down:
      moves.append(random_flip_boxes(across, vertical=down))
    return _all([*moves, *self._look(colours)])

  def _warp(
    self,
    crop: Range = NONE,
    ratio: Range = NONE,
    size: tuple[int, int] | None = None,
  ) -> list[Augment]:
    scale = self.scale or NONE
    if not (self.rotation or self.translation or scale != NONE or crop != NONE):
      return []
    how = {"translation": self.translation, "crop": crop, "ratio": ratio}
    return [augment.random_affine(scale, self.rotation, **how, size=size)]

  def _flip(self) -> list[Augment]:
    across, down = FLIPS[self.flip]
    return [augment.random_flip(across, vertical=down)] if across + down else []

  def _look(self, colours: Colours) -> list[Augment]:
    """What leaves pixels where they are."""
    white, steps = augment.normalized_range(*colours), []
    strengths = {name: getattr(self, name) for name in _COLOURS}
    if any(strengths.values()):
      named = {f"augment.{name}": x for name, x in strengths.items()}
      check_coloured(named, colours)
      steps.append(augment.color_jitter(**strengths, value_range=white))
    if self.noise:
      steps.append(augment.random_noise(self.noise, value_range=white))
    if self.erasing:
      steps.append(augment.random_erasing(self.erasing))
    return steps


def _all(steps: list[Augment]) -> Augment | None:
  """Returns the steps in turn; None of none."""
  return augment.sequence(*steps) if len(steps) > 1 else next(iter(steps), None)


def _range(name: str, given: Sequence[float]) -> tuple[float, ...]:
  """Returns (smallest, largest), or () for nothing."""
  if not any(given):
    return NONE if name == "crop_ratio" else ()
  if len(given) != 2 or not 0 < given[0] <= given[1]:
    raise UserError(
      f"--config.augment.{name}: got {tuple(given)}; expected the smallest and "
      "the largest, above 0, such as 0.8,1.25; or 0 for none."
    )
  return float(given[0]), float(given[1])
