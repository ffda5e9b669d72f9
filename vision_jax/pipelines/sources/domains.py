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
from vision_jax.pipelines.sources.pairs import (
  SPLITS,
  PairData,
  check_apart,
  photographs_of,
)

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
    dataset: "folders", of which a tenth is held out as val by the names;
      "digits": white ones on black are a's, blue ones on paper b's; or
      "photographs" and what a style makes of them. None of these is trained on
      as both: of the photographs named for training, every other one is an a.
      Their val and test have `wanted` too, what an image is as the other.
    side: "a" or "b".
    folder: of images, of any sizes and kinds of files.
    image_size: side of digits, and of the squares that photographs are cut into
      where they are evaluated.
    style: of photographs, see `STYLES`.
    photographs: names of those of train, val and test.
  """

  dataset: str
  side: str
  _: dataclasses.KW_ONLY
  folder: str = ""
  image_size: int = 32
  style: str = ""
  photographs: Sequence[Sequence[str]] = ((), (), ())

  @classmethod
  def both(cls, config: ml_collections.ConfigDict) -> dict[str, "Domain"]:
    """Returns both data sets of a config, whose folders are `a` and `b`.

    Raises:
      UserError: for folders that the data set would not read.
    """
    given = [f"--config.{side}" for side in SIDES if config[side]]
    if given and config.dataset != "folders":
      raise UserError(
        f"--config.dataset: got {config.dataset!r}, which reads no folder, and "
        f"{' and '.join(given)}; expected one or the other. For your folders: "
        "--config.dataset=folders."
      )
    return {
      side: cls(
        config.dataset,
        side,
        folder=folder,
        image_size=config.image_size,
        style=config.get("style", ""),
        photographs=photographs_of(config),
      )
      for side, folder in (("a", config.a), ("b", config.b))
    }

  @property
  def known(self) -> bool:
    """Whether it is known what an image is as the other."""
    return self.dataset in ("digits", "photographs")

  def names(self) -> tuple[str, ...]:
    """Returns none: nothing is classified."""
    return ()

  def split_names(self) -> Sequence[str]:
    """Returns train and val, and where it is known what is wanted, test.

    Raises:
      UserError: for a data set of another name.
    """
    if self.dataset == "photographs":
      return self._pairs.split_names()
    if self.known:
      return SPLITS
    if self.dataset != "folders":
      raise UserError(
        f"--config.dataset: got {self.dataset!r}; expected folders, digits or "
        "photographs."
      )
    return SPLITS[:2]

  def _open(self, split: str) -> Source:
    if self.dataset == "photographs":
      return self._pairs.open(split)
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

  @property
  def _pairs(self) -> PairData:
    """Photographs with what they become, or the other way about."""
    check_apart(self.photographs)
    train, *held = self.photographs
    return PairData(
      "photographs",
      direction="ab" if self.side == "a" else "ba",
      image_size=self.image_size,
      style=self.style,
      photographs=(train[SIDES.index(self.side) :: 2], *held),
    )

  def _digits(self, split: str) -> DigitPairs:
    backward = self.side == "b"
    return DigitPairs("coloured", split, self.image_size, backward=backward)
