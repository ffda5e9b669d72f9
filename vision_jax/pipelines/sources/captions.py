"""Data sets of images with captions, by name: scenes, or one's own."""

import dataclasses
from collections.abc import Sequence

import ml_collections

from vision_jax.core.checks import check_name
from vision_jax.data.source import Source
from vision_jax.data.sources.caption_table import CaptionTable
from vision_jax.data.sources.captioned_scenes import (
  COLOURS,
  KINDS,
  LENGTH,
  SHAPES,
  WORDS,
  CaptionedScenes,
)
from vision_jax.data.subsets import split_train
from vision_jax.errors import UserError
from vision_jax.pipelines.sources.base import DataSet

SPLITS = ("train", "val", "test")
HELD = 0.1  # share of a table without splits that is val
# The words of scenes' captions by what they tell.
WORD_KINDS = {
  "colours": tuple(COLOURS),
  "shapes": SHAPES,
  "places": ("above", "inside", "left"),
}


@dataclasses.dataclass(frozen=True)
class CaptionData(DataSet):
  """A data set of images with captions.

  Attributes:
    dataset: "scenes", see `CaptionedScenes`; or "folder", with images and a
      table, see `CaptionTable`.
    vocabulary: the words that captions may have; () for those of the data.
    length: words of the longest caption.
    data_dir: the folder.
    scenes: how many there are in train, val and test.
    image_size: side of the scenes' images.
    unseen: kinds of shapes that no scene of train, val or test has.
  """

  dataset: str
  vocabulary: Sequence[str] = ()
  length: int = LENGTH
  _: dataclasses.KW_ONLY
  data_dir: str = ""
  scenes: Sequence[int] = (0, 0, 0)
  image_size: int = 32
  unseen: Sequence[str] = ()

  def __post_init__(self):
    check_name("--config.dataset", self.dataset, ("scenes", "folder"))
    if len(self.scenes) != 3:
      raise UserError(
        f"--config.scenes: got {tuple(self.scenes)}; expected 3 numbers, how "
        "many for train, val and test."
      )
    for kind in self.unseen if self.dataset == "scenes" else ():
      check_name("--config.unseen", kind, KINDS)
    if self.dataset == "scenes" and self.length < LENGTH:
      raise UserError(
        f"--config.length: got {self.length}; expected {LENGTH} or more, the "
        "words of the longest caption of a scene."
      )

  @classmethod
  def of(cls, config: ml_collections.ConfigDict) -> "CaptionData":
    """Returns the data set of a config with keys of these names."""
    return cls(
      config.dataset,
      tuple(config.vocabulary),
      config.length,
      data_dir=config.data_dir,
      scenes=tuple(config.scenes),
      image_size=config.image_size,
      unseen=tuple(config.unseen),
    )

  def names(self) -> tuple[str, ...]:
    """Returns (): a caption has no class."""
    return ()

  @property
  def words(self) -> tuple[str, ...]:
    """The vocabulary."""
    known = tuple(self.vocabulary)
    return known or (WORDS if self.dataset == "scenes" else self._table.words)

  @property
  def word_kinds(self) -> dict[str, Sequence[str]]:
    """Words by what they tell, as far as that is known."""
    return WORD_KINDS if self.dataset == "scenes" else {}

  def split_names(self) -> Sequence[str]:
    """Returns the splits that have images, train first.

    Raises:
      UserError: if there is no train.
    """
    scenes = self.dataset == "scenes"
    counted = zip(SPLITS, self.scenes, strict=True)
    given = [split for split, number in counted if number]
    given = given if scenes else self._table.splits()
    if (given or scenes) and "train" not in given:
      raise UserError(
        f"--config.dataset={self.dataset}: has the splits "
        f"{', '.join(given) or 'none'}; expected train among them."
      )
    if scenes or "val" in given:
      return given
    return ["train", "val", *given[1:]]

  def classified(self) -> dict[str, CaptionedScenes]:
    """Returns scenes of one shape, whose kind is their `label`.

    As many as there are of test: `zero_shot` has any kind, `unseen` those that
    no other scene has. Of one's own images there are none.
    """
    number = self.scenes[2]
    if self.dataset == "folder" or not number:
      return {}
    kinds = {"zero_shot": KINDS}
    kinds |= {"unseen": self.unseen} if self.unseen else {}
    return {
      name: CaptionedScenes(
        *("test", number), size=self.image_size, lone=1.0, kinds=which, seed=1
      )
      for name, which in kinds.items()
    }

  @property
  def _table(self) -> CaptionTable:
    return CaptionTable(self.data_dir, self.vocabulary, self.length)

  def _stand_in(self) -> str:
    return "captioned scenes" if self.dataset == "scenes" else ""

  def _open(self, split: str) -> Source:
    if self.dataset == "scenes":
      return CaptionedScenes(
        split,
        self.scenes[SPLITS.index(split)],
        size=self.image_size,
        kinds=tuple(x for x in KINDS if x not in self.unseen),
      )
    own = self._table
    given = own.splits()
    if split == "test" or "val" in given:
      return own.open(split)
    whole = own.open("train" if given else None)
    return split_train(whole, HELD)[split == "val"]


def resolve_words(config: ml_collections.ConfigDict) -> None:
  """Fills in the vocabulary that the data have, as a run begins."""
  config.vocabulary = CaptionData.of(config).words
