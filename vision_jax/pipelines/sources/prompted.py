"""Data sets of scenes to draw from captions, by name: those of two digits."""

import dataclasses
from collections.abc import Sequence

import ml_collections

from vision_jax.core.checks import check_name
from vision_jax.data.source import Source
from vision_jax.data.sources.captioned_digits import (
  LENGTH,
  WORDS,
  CaptionedDigits,
)
from vision_jax.errors import UserError
from vision_jax.pipelines.sources.base import DataSet

SPLITS = ("train", "test")


@dataclasses.dataclass(frozen=True)
class PromptedData(DataSet):
  """A data set of scenes with captions, and the words of these.

  Attributes:
    dataset: "captioned_digits", see `CaptionedDigits`.
    scenes: how many there are in train and test.
    data_dir: folder of the data, of which generated scenes need none.
  """

  dataset: str
  scenes: Sequence[int]
  data_dir: str = ""

  words = WORDS
  length = LENGTH

  def __post_init__(self):
    check_name("--config.dataset", self.dataset, ("captioned_digits",))
    if len(self.scenes) != 2 or not all(self.scenes):
      raise UserError(
        f"--config.scenes: got {tuple(self.scenes)}; expected 2 numbers of at "
        "least 1, how many for train and test."
      )

  @classmethod
  def of(cls, config: ml_collections.ConfigDict) -> "PromptedData":
    """Returns the data set of a config with keys of these names."""
    return cls(config.dataset, tuple(config.scenes), config.data_dir)

  def names(self) -> tuple[str, ...]:
    """Returns (): a caption has no class."""
    return ()

  def split_names(self) -> Sequence[str]:
    """Returns train and test."""
    return SPLITS

  def _stand_in(self) -> str:
    return "captioned digits"

  def _open(self, split: str) -> Source:
    return CaptionedDigits(split, self.scenes[SPLITS.index(split)])
