"""Generated clips, and skeletons that act, by their splits."""

import abc
import dataclasses
from collections.abc import Sequence

import ml_collections

from vision_jax.core.checks import check_name
from vision_jax.data.source import Source
from vision_jax.data.sources.moving_digits import MovingDigits
from vision_jax.data.sources.skeletons import (
  SkeletonActions,
  SkeletonSequences,
)
from vision_jax.errors import UserError
from vision_jax.pipelines.sources.base import DataSet

SPLITS = ("train", "val", "test")


@dataclasses.dataclass(frozen=True)
class Moving(DataSet, abc.ABC):
  """What is generated, so many examples for each split.

  Attributes:
    dataset: its name.
    examples: how many there are in train, val and test.
    frames: of an example.
  """

  dataset: str
  examples: Sequence[int]
  frames: int

  def __post_init__(self):
    check_name("--config.dataset", self.dataset, self.known())
    if len(self.examples) != len(SPLITS) or not self.examples[0]:
      raise UserError(
        f"--config.clips: got {tuple(self.examples)}; expected how many for "
        "train, val and test, and at least one to train on."
      )

  @classmethod
  @abc.abstractmethod
  def known(cls) -> tuple[str, ...]:
    """Returns the names that there are."""

  def split_names(self) -> Sequence[str]:
    """Returns the splits that have examples, train first."""
    pairs = zip(SPLITS, self.examples, strict=True)
    return [split for split, number in pairs if number]

  def _number(self, split: str) -> int:
    return self.examples[SPLITS.index(split)]


@dataclasses.dataclass(frozen=True)
class MovingClips(Moving):
  """Clips of digits that move.

  Attributes:
    image_size: side of the frames.
  """

  image_size: int

  @classmethod
  def of(cls, config: ml_collections.ConfigDict) -> "MovingClips":
    """Returns the data set of a config with keys of these names."""
    given = (config.dataset, tuple(config.clips), config.frames)
    return cls(*given, config.image_size)

  @classmethod
  def known(cls) -> tuple[str, ...]:
    """Returns the one name."""
    return ("moving_digits",)

  def names(self) -> tuple[str, ...]:
    """Returns directions with speeds."""
    return MovingDigits.class_names

  def _open(self, split: str) -> Source:
    sizes = {"frames": self.frames, "size": self.image_size}
    return MovingDigits(split, self._number(split), **sizes)


@dataclasses.dataclass(frozen=True)
class MovingSkeletons(Moving):
  """Skeletons of one action, or of one after the other.

  Attributes:
    missing: share of joints that are not seen.
  """

  missing: float

  @classmethod
  def of(cls, config: ml_collections.ConfigDict) -> "MovingSkeletons":
    """Returns the data set of a config with keys of these names."""
    given = (config.dataset, tuple(config.clips), config.frames)
    return cls(*given, config.missing)

  @classmethod
  def known(cls) -> tuple[str, ...]:
    """Returns the names."""
    return ("skeleton_actions", "skeleton_sequences")

  def names(self) -> tuple[str, ...]:
    """Returns the names of the actions."""
    return SkeletonActions.class_names

  def _open(self, split: str) -> Source:
    of_one = self.dataset == "skeleton_actions"
    source = SkeletonActions if of_one else SkeletonSequences
    return source(split, self._number(split), self.frames, self.missing)
