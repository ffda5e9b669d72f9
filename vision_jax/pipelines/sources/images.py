"""Sets of images without labels: folders by name, or generated ones."""

import dataclasses
import os
import pathlib
from collections.abc import Sequence

import ml_collections

from vision_jax.data.source import Source
from vision_jax.data.sources.image_list import ImageList
from vision_jax.errors import UserError
from vision_jax.pipelines.sources.base import DataSet
from vision_jax.pipelines.sources.stand_ins import Scenes

FOLDER = "restoration"  # in VISION_JAX_DATA


@dataclasses.dataclass(frozen=True)
class ImageSets(DataSet):
  """A set that is trained on, and sets that are evaluated by their names.

  Attributes:
    dataset: "folder", or "scenes" for generated images, which stand in.
    train_folder: of images to train on.
    tests: folders of images to evaluate; each is evaluated by the last part of
      its path, in small letters.
    data_dir: what the folders lie in; "" for `restoration` in the folder that
      the environment variable VISION_JAX_DATA names.
    scenes: how many scenes there are in train, val and test.
    image_size: side of scenes.
  """

  dataset: str
  train_folder: str = ""
  tests: Sequence[str] = ()
  _: dataclasses.KW_ONLY
  data_dir: str = ""
  scenes: Sequence[int] = (0, 0, 0)
  image_size: int = 64

  @classmethod
  def of(cls, config: ml_collections.ConfigDict) -> "ImageSets":
    """Returns the sets of a config with keys of these names."""
    return cls(
      config.dataset,
      config.train,
      tuple(config.tests),
      data_dir=config.data_dir,
      scenes=tuple(config.scenes),
      image_size=2 * config.image_size * config.get("scale", 1),
    )

  def names(self) -> tuple[str, ...]:
    """Returns none: nothing is classified."""
    return ()

  def split_names(self) -> Sequence[str]:
    """Returns train, and each set that is evaluated.

    Raises:
      UserError: for a data set of another name, or two sets of one name.
    """
    if self.dataset == "scenes":
      return [x for x in self._scenes.splits() if x != "val"]
    if self.dataset != "folder":
      raise UserError(
        f"--config.dataset: got {self.dataset!r}; expected folder or scenes."
      )
    names = [_name(folder) for folder in self.tests]
    if len({*names, "train"}) <= len(names):
      raise UserError(
        f"--config.tests: got {', '.join(self.tests)}; expected folders whose "
        "names differ from each other, and from train."
      )
    return ["train", *names]

  @property
  def _scenes(self) -> Scenes:
    return Scenes(self.scenes, (self.image_size, self.image_size), most=4)

  def _stand_in(self) -> str:
    return "digit scenes" if self.dataset == "scenes" else ""

  def _open(self, split: str) -> Source:
    if self.dataset == "scenes":
      return self._scenes.open(split)
    folders = {"train": self.train_folder}
    folders |= {_name(folder): folder for folder in self.tests}
    root = self.data_dir or os.path.join(
      os.environ.get("VISION_JAX_DATA", ""), FOLDER
    )
    return ImageList(pathlib.Path(root) / folders[split])


def _name(folder: str) -> str:
  return pathlib.PurePath(folder).name.lower()
