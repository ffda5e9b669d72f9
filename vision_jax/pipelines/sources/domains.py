"""Images of one kind, one of the two that a cycle translates: by name."""

import dataclasses
import functools
import pathlib
from collections.abc import Sequence

import ml_collections
import numpy as np

from vision_jax.data.source import Source
from vision_jax.data.sources.digit_pairs import DigitPairs
from vision_jax.data.sources.image_list import ImageList
from vision_jax.data.subsets import split_train, subset
from vision_jax.errors import UserError
from vision_jax.pipelines.sources.base import DataSet

HELD = 0.1  # share of a folder that is val, and of the digits to train on
SIDES = ("a", "b")
_EXPECTED = (
  "expected a folder of images, and another of the other kind: "
  "--config.a=PHOTOS --config.b=CARTOONS"
)


class OneKind(ImageList):
  """Images of one kind, two at least, as a tenth is held out.

  Args:
    folder: as `ImageList` takes it.
    side: the config's key, such as "a" or "b".
    expected: what an error says where none is given.

  Raises:
    UserError: on first use, if there are fewer.
  """

  def __init__(self, folder: str, side: str, *, expected: str = _EXPECTED):
    super().__init__(folder, flag=f"--config.{side}")
    self.missing, self.expected = not folder, expected

  @functools.cached_property
  def files(self) -> list[pathlib.Path]:
    """Path of each example."""
    if self.missing:
      raise UserError(f"{self.flag} is missing; {self.expected}.")
    found = super().files
    if len(found) < 2:
      raise UserError(
        f"{self.flag}: {self.given} has one image; expected two or more, as a "
        "tenth is held out."
      )
    return found


@dataclasses.dataclass(frozen=True)
class Domain(DataSet):
  """A data set of one of two kinds of images.

  Attributes:
    dataset: "folders", of which a tenth is held out as val by the names; or
      "digits": white ones on black are a's, blue ones on paper b's, and no
      digit is trained on as both. Their val and test have `wanted` too, what an
      image is as the other.
    side: "a" or "b".
    folder: of images, of any sizes and kinds of files.
    image_size: side of digits.
  """

  dataset: str
  side: str
  _: dataclasses.KW_ONLY
  folder: str = ""
  image_size: int = 32

  @classmethod
  def both(cls, config: ml_collections.ConfigDict) -> dict[str, "Domain"]:
    """Returns both data sets of a config, whose folders are `a` and `b`."""
    folders, size = {"a": config.a, "b": config.b}, config.image_size
    return {
      side: cls(config.dataset, side, folder=folder, image_size=size)
      for side, folder in folders.items()
    }

  @property
  def known(self) -> bool:
    """Whether it is known what an image is as the other."""
    return self.dataset == "digits"

  def names(self) -> tuple[str, ...]:
    """Returns none: nothing is classified."""
    return ()

  def split_names(self) -> Sequence[str]:
    """Returns train and val, and of digits test.

    Raises:
      UserError: for a data set of another name.
    """
    if self.known:
      return ("train", "val", "test")
    if self.dataset != "folders":
      raise UserError(
        f"--config.dataset: got {self.dataset!r}; expected folders or digits."
      )
    return ("train", "val")

  def _open(self, split: str) -> Source:
    if split == "test":
      return self._digits("test")
    return self._parts[split == "val"]

  @functools.cached_property
  def _parts(self) -> Sequence[Source]:
    """What is trained on, and what is held out."""
    if not self.known:
      return split_train(OneKind(self.folder, self.side), HELD, seed=0)
    train, val = split_train(self._digits("train"), HELD, seed=0)
    every = np.arange(len(train))
    return subset(train, every[SIDES.index(self.side) :: 2]), val

  def _digits(self, split: str) -> DigitPairs:
    backward = self.side == "b"
    return DigitPairs("coloured", split, self.image_size, backward=backward)
