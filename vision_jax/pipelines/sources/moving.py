"""Clips, and skeletons that act, by name: generated, or an npz of one's own."""

import abc
import dataclasses
import functools
from collections.abc import Sequence
from typing import ClassVar

import ml_collections

from vision_jax.core.checks import check_name
from vision_jax.data.source import Source
from vision_jax.data.sources.clip_file import ClipFile
from vision_jax.data.sources.moving_digits import MovingDigits
from vision_jax.data.sources.skeletons import (
  SkeletonActions,
  SkeletonSequences,
)
from vision_jax.errors import UserError
from vision_jax.pipelines.sources.base import DataSet

OWN = "npz"
SPLITS = ("train", "val", "test")


@dataclasses.dataclass(frozen=True)
class Moving(DataSet, abc.ABC):
  """What has a time: generated, so many examples for each split, or one's own.

  Attributes:
    dataset: its name, "npz" for a file, see `ClipFile`.
    examples: how many are generated for train, val and test.
    frames: of a generated example.
    data_dir: the file.
    class_names: the names of the classes.
  """

  dataset: str
  examples: Sequence[int]
  frames: int
  data_dir: str
  class_names: Sequence[str]

  known: ClassVar[Sequence[str]]  # what can be generated
  key: ClassVar[str]  # of an example

  def __post_init__(self):
    check_name("--config.dataset", self.dataset, (*self.known, OWN))
    if self.dataset == OWN and not self.data_dir:
      raise UserError(
        "--config.data_dir: got none; expected the npz file, such as clips.npz."
      )
    if len(self.examples) != len(SPLITS) or not self.examples[0]:
      raise UserError(
        f"--config.clips: got {tuple(self.examples)}; expected how many for "
        "train, val and test, and at least one to train on."
      )

  @staticmethod
  def _shared(config: ml_collections.ConfigDict) -> tuple[object, ...]:
    """Returns the fields that both kinds have."""
    names = tuple(config.class_names)
    given = (config.dataset, tuple(config.clips), config.frames)
    return (*given, config.data_dir, names)

  @functools.cached_property
  def file(self) -> ClipFile:
    """One's own."""
    return ClipFile(self.data_dir, self.key)

  def names(self) -> tuple[str, ...]:
    """Returns the names of the classes."""
    return tuple(self.class_names)

  def split_names(self) -> Sequence[str]:
    """Returns the splits that have examples, train first."""
    if self.dataset == OWN:
      return self.file.splits()
    pairs = zip(SPLITS, self.examples, strict=True)
    return [split for split, number in pairs if number]

  def _stand_in(self) -> str:
    own = self.dataset == OWN
    return "" if own else f"generated {self.dataset.replace('_', ' ')}"

  def _open(self, split: str) -> Source:
    if self.dataset == OWN:
      return self.file.open(split)
    return self._generated(split, self.examples[SPLITS.index(split)])

  @abc.abstractmethod
  def _generated(self, split: str, number: int) -> Source:
    """Returns so many examples of a split."""


@dataclasses.dataclass(frozen=True)
class MovingClips(Moving):
  """Clips of digits that move, or one's own.

  Attributes:
    image_size: side of generated frames.
  """

  image_size: int

  known = ("moving_digits",)
  key = "image"

  @classmethod
  def of(cls, config: ml_collections.ConfigDict) -> "MovingClips":
    """Returns the data set of a config with keys of these names."""
    return cls(*cls._shared(config), config.image_size)

  def _generated(self, split: str, number: int) -> Source:
    sizes = {"frames": self.frames, "size": self.image_size}
    return MovingDigits(split, number, **sizes)


@dataclasses.dataclass(frozen=True)
class MovingSkeletons(Moving):
  """Skeletons of one action, of one after the other, or one's own.

  Attributes:
    missing: share of generated joints that are not seen.
  """

  missing: float

  known = ("skeleton_actions", "skeleton_sequences")
  key = "joints"

  @classmethod
  def of(cls, config: ml_collections.ConfigDict) -> "MovingSkeletons":
    """Returns the data set of a config with keys of these names."""
    return cls(*cls._shared(config), config.missing)

  def _generated(self, split: str, number: int) -> Source:
    of_one = self.dataset == "skeleton_actions"
    source = SkeletonActions if of_one else SkeletonSequences
    return source(split, number, self.frames, self.missing)


def resolve_clips(config: ml_collections.ConfigDict) -> None:
  """Fills in what a file of one's own clips says, as a run begins."""
  if config.dataset != OWN:
    return
  file = MovingClips.of(config).file
  file.splits()
  config.class_names = file.names()
  h, w, config.channels = file.frame()
  if h != w:
    raise UserError(
      f"npz file {file.path}: has frames of {h}x{w}; expected square ones. "
      "Crop or pad them."
    )
  config.image_size = h


def resolve_skeletons(config: ml_collections.ConfigDict) -> None:
  """Fills in what a file of one's own skeletons says, as a run begins."""
  if config.dataset != OWN:
    return
  file = MovingSkeletons.of(config).file
  file.splits()
  config.class_names = file.names()
  if "edges" in config:
    config.edges, config.centre = file.edges(), file.centre()
