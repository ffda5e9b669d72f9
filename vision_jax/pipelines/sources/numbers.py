"""Data sets of images with numbers, by name: one's own, or generated roads."""

import dataclasses
from collections.abc import Sequence

import ml_collections

from vision_jax.data.source import Source
from vision_jax.data.sources.number_table import NumberTable
from vision_jax.data.sources.roads import Roads
from vision_jax.data.subsets import split_train
from vision_jax.errors import UserError
from vision_jax.pipelines.sources.base import DataSet

SPLITS = ("train", "val", "test")
HELD = 0.1  # share of a table without splits that is val


@dataclasses.dataclass(frozen=True)
class NumberData(DataSet):
  """A data set of images with numbers.

  Attributes:
    dataset: "folder", with a table, see `NumberTable`; or "roads".
    columns: of the table, that are numbers; () for all but paths and splits.
    data_dir: the folder.
    scenes: how many roads there are in train, val and test.
    image_size: side of the roads' images.
  """

  dataset: str
  columns: Sequence[str] = ()
  _: dataclasses.KW_ONLY
  data_dir: str = ""
  scenes: Sequence[int] = (0, 0, 0)
  image_size: int = 32

  @classmethod
  def of(cls, config: ml_collections.ConfigDict) -> "NumberData":
    """Returns the data set of a config with keys of these names."""
    return cls(
      config.dataset,
      tuple(config.columns),
      data_dir=config.data_dir,
      scenes=tuple(config.scenes),
      image_size=config.image_size,
    )

  def names(self) -> tuple[str, ...]:
    """Returns the names of the numbers."""
    if self.dataset == "roads":
      return Roads.number_names
    return self._own.number_names

  def split_names(self) -> Sequence[str]:
    """Returns the splits that have images, train first.

    Raises:
      UserError: for a data set of another name.
      DataError: if a table's column of splits has no train.
    """
    if self.dataset == "roads":
      scenes = tuple(self.scenes)
      if len(scenes) != 3 or not scenes[0]:
        raise UserError(
          f"--config.scenes: got {scenes}; expected how many for train, val "
          "and test, and at least one to train on."
        )
      return [s for s, n in zip(SPLITS, scenes, strict=True) if n]
    given = self._own.splits()
    if given and "train" not in given:
      raise UserError(
        f"table {self._own.path}: has the splits {', '.join(given)}; expected "
        "train among them."
      )
    return given if "val" in given else ["train", "val", *given[1:]]

  def measured(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Returns mean and standard deviation of train's numbers, (t,) each."""
    whole = self.train
    part = getattr(whole, "indices", slice(None))
    values = getattr(whole, "source", whole).numbers()[part].astype(float)
    return tuple(values.mean(0).tolist()), tuple(values.std(0).tolist())

  @property
  def _own(self) -> NumberTable:
    if self.dataset != "folder":
      raise UserError(
        f"--config.dataset: got {self.dataset!r}; expected folder or roads."
      )
    return NumberTable(self.data_dir, self.columns)

  def _stand_in(self) -> str:
    return "generated roads" if self.dataset == "roads" else ""

  def _open(self, split: str) -> Source:
    if self.dataset == "roads":
      number = self.scenes[SPLITS.index(split)]
      return Roads(split, number, size=self.image_size)
    own = self._own
    given = own.splits()
    if split == "test" or "val" in given:
      return own.open(split)
    whole = own.open("train" if given else None)
    return split_train(whole, HELD)[split == "val"]


def resolve_numbers(config: ml_collections.ConfigDict) -> None:
  """Fills in the names of the numbers, their mean and their deviation."""
  data = NumberData.of(config)
  config.columns = data.names()
  config.centre, config.spread = data.measured()
