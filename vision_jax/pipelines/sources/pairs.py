"""Data sets of images with what they are to become, by name."""

import dataclasses
import functools
import pathlib
from collections.abc import Sequence

import ml_collections
import numpy as np

from vision_jax.data.files import has_images
from vision_jax.data.patches import Patches
from vision_jax.data.pickled import AsMade
from vision_jax.data.source import Example, Source
from vision_jax.data.sources.digit_pairs import DigitPairs
from vision_jax.data.sources.image_list import ImageList
from vision_jax.data.sources.masks import MaskFolder
from vision_jax.data.sources.photographs import Photographs
from vision_jax.data.subsets import split_train
from vision_jax.data.transformed import Transformed
from vision_jax.data.transforms.image import decode
from vision_jax.data.transforms.pairs import halves, swap, with_style
from vision_jax.errors import UserError
from vision_jax.pipelines.sources.base import DataSet

HELD = 0.1  # share of train that is val, where there is none
SPLITS = ("train", "val", "test")
INPUT, TARGET = "input", "target"  # folders of a split
_EXPECTED = (
  "expected a folder with train, and val and test where there are such, as "
  "--mode=pairs writes them: in each the folders input and target, with "
  "images of the same names; or images that stand side by side in one file"
)


class SideBySide(Transformed):
  """Images of which each is two of one size, the first on the left.

  Args:
    source: the images.
    backward: whether both are exchanged.
  """

  def __init__(self, source: ImageList, *, backward: bool = False):
    steps = [decode(), halves()]
    super().__init__(source, [*steps, swap()] if backward else steps)

  def paths(self) -> list[str]:
    """Returns each file's path in the folder."""
    return self.source.paths()


class OwnPairs(AsMade):
  """One split of one's own pairs: two folders, or files of two images.

  Args:
    root: folder with the splits.
    split: folder in it.
    backward: whether input and target are exchanged.

  Raises:
    UserError: on first use, if there are no pairs.
  """

  def __init__(self, root: str, split: str, *, backward: bool = False):
    self.root, self.split, self.backward = root, split, backward

  @functools.cached_property
  def opened(self) -> MaskFolder | SideBySide:
    """The pairs, as the folder has them."""
    place = pathlib.Path(self.root) / self.split
    if not self.root or not place.is_dir():
      raise UserError(f"--config.data_dir: got {self.root!r}; {_EXPECTED}.")
    folders = [place / INPUT, place / TARGET]
    if all(folder.is_dir() for folder in folders):
      return MaskFolder(*folders[:: -1 if self.backward else 1], what="target")
    if any(folder.is_dir() for folder in folders) or not has_images(place):
      raise UserError(f"--config.data_dir: {place} has no pairs; {_EXPECTED}.")
    images = ImageList(place, flag="--config.data_dir")
    return SideBySide(images, backward=self.backward)

  def __len__(self) -> int:
    return len(self.opened)

  def read(self, indices: np.ndarray) -> list[Example]:
    """Returns the pairs at `indices`, decoded or not."""
    return self.opened.read(indices)

  def paths(self) -> list[str]:
    """Returns each input's path in its folder."""
    return self.opened.paths()

  def fingerprint(self) -> str:
    """Returns a hash of names, sizes and times of change."""
    return self.opened.fingerprint()


@dataclasses.dataclass(frozen=True)
class PairData(DataSet):
  """A data set of pairs.

  Attributes:
    dataset: "folder"; "digits", scikit-learn's digits from their edges; or
      "photographs", which come with packages, and what a style makes of them.
    data_dir: of the data set "folder": its splits, with folders input and
      target in each, or with images of which the left half is the input. Where
      there is no val, a tenth of train is held out by the names.
    direction: "ab", or "ba" to exchange input and target.
    image_size: side of digits, and of the squares that photographs are cut
      into where they are evaluated.
    style: of photographs, see `STYLES`.
    photographs: names of those of train, val and test.
  """

  dataset: str
  _: dataclasses.KW_ONLY
  data_dir: str = ""
  direction: str = "ab"
  image_size: int = 64
  style: str = "cartoon"
  photographs: Sequence[Sequence[str]] = ((), (), ())

  @classmethod
  def of(cls, config: ml_collections.ConfigDict) -> "PairData":
    """Returns the data set of a config with keys of these names."""
    return cls(
      config.dataset,
      data_dir=config.data_dir,
      direction=config.direction,
      image_size=config.image_size,
      style=config.get("style", ""),
      photographs=photographs_of(config),
    )

  def names(self) -> tuple[str, ...]:
    """Returns none: nothing is classified."""
    return ()

  def split_names(self) -> Sequence[str]:
    """Returns the splits that have images, train first.

    Raises:
      UserError: for a data set of another name.
    """
    if self.dataset == "digits":
      return SPLITS
    if self.dataset == "photographs":
      named = zip(SPLITS, self.photographs, strict=True)
      return [split for split, names in named if names]
    if self.dataset != "folder":
      raise UserError(
        f"--config.dataset: got {self.dataset!r}; expected folder, digits or "
        "photographs."
      )
    test = self.data_dir and (pathlib.Path(self.data_dir) / "test").is_dir()
    return SPLITS if test else SPLITS[:2]

  def _stand_in(self) -> str:
    names = {"digits": "edges of digits", "photographs": "bundled photographs"}
    return names.get(self.dataset, "")

  def _open(self, split: str) -> Source:
    if self.dataset == "folder":
      return self._folder(split)
    made = self._digits if self.dataset == "digits" else self._photographs
    source = made(split)
    back = self.direction == "ba"
    return Transformed(source, [swap()]) if back else source

  def _digits(self, split: str) -> Source:
    if split == "test":
      return DigitPairs("edges", "test", self.image_size)
    train = DigitPairs("edges", "train", self.image_size)
    return split_train(train, HELD, seed=0)[split == "val"]

  def _photographs(self, split: str) -> Source:
    names = self.photographs[SPLITS.index(split)]
    check_apart(self.photographs)
    steps = [decode(), with_style(self.style)]
    source = Transformed(Photographs(names), steps, keep=True)
    return source if split == "train" else Patches(source, self.image_size)

  def _folder(self, split: str) -> Source:
    if split == "test" or (pathlib.Path(self.data_dir) / "val").is_dir():
      return self._pairs(split)
    return self._parts[split == "val"]

  @functools.cached_property
  def _parts(self) -> Sequence[Source]:
    return split_train(self._pairs("train"), HELD, seed=0)

  def _pairs(self, split: str) -> OwnPairs:
    return OwnPairs(self.data_dir, split, backward=self.direction == "ba")


def photographs_of(config: ml_collections.ConfigDict) -> list[tuple[str, ...]]:
  """Returns the names of a config's photographs of train, val and test."""
  train = config.get("photos_train", ())
  val = config.get("photos_val", ())
  test = config.get("photos_test", ())
  return [tuple(train), tuple(val), tuple(test)]


def check_apart(photographs: Sequence[Sequence[str]]) -> None:
  """Refuses a photograph that is trained on and measured.

  Raises:
    UserError: naming it.
  """
  every = [name for names in photographs for name in names]
  if twice := sorted({name for name in every if every.count(name) > 1}):
    raise UserError(
      f"--config.photos_train, photos_val, photos_test: got {twice[0]} in two "
      "of them; expected each photograph once, as its patches are alike."
    )
