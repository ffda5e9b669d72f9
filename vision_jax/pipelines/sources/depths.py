"""Data sets of images with depth, by name: one's own, or generated scenes."""

import dataclasses
import functools
import os
from collections.abc import Sequence

import ml_collections

from vision_jax.data.source import Source
from vision_jax.data.sources.depth_scenes import SPLITS, DepthScenes
from vision_jax.data.sources.masks import MaskFolder
from vision_jax.data.subsets import split_train
from vision_jax.errors import UserError
from vision_jax.pipelines.sources.base import DataSet

HELD = 0.1  # share of a folder that is val


@dataclasses.dataclass(frozen=True)
class DepthData(DataSet):
  """A data set of images with a map of depth each.

  Attributes:
    dataset: "scenes", generated, or "folder": one of images and one of maps,
      matched by name, of which a tenth is held out as val.
    data_dir: of the data set "folder", with the folders images and depths.
    images, depths: its folders of either, where they lie elsewhere.
    scenes: how many scenes there are in train, val and test.
    image_size: (h, w) of scenes.
  """

  dataset: str
  _: dataclasses.KW_ONLY
  data_dir: str = ""
  images: str = ""
  depths: str = ""
  scenes: Sequence[int] = (0, 0, 0)
  image_size: Sequence[int] = (64, 64)

  @classmethod
  def of(cls, config: ml_collections.ConfigDict) -> "DepthData":
    """Returns the data set of a config with keys of these names."""
    return cls(
      config.dataset,
      data_dir=config.data_dir,
      images=config.images,
      depths=config.depths,
      scenes=tuple(config.scenes),
      image_size=tuple(config.image_size),
    )

  def names(self) -> tuple[str, ...]:
    """Returns none: there are no classes."""
    return ()

  def split_names(self) -> Sequence[str]:
    """Returns the splits that have images, train first.

    Raises:
      UserError: for a data set of another name, without folders, or without
        scenes to train on.
    """
    if self.dataset == "scenes":
      if len(self.scenes) != 3 or not self.scenes[0]:
        raise UserError(
          f"--config.scenes: got {tuple(self.scenes)}; expected how many for "
          "train, val and test, and at least one to train on."
        )
      return [s for s, n in zip(SPLITS, self.scenes, strict=True) if n]
    if self.dataset != "folder":
      raise UserError(
        f"--config.dataset: got {self.dataset!r}; expected folder or scenes."
      )
    if not all(self._folders):
      raise UserError(
        f"--config.images={self.images} --config.depths={self.depths}: "
        "expected a folder of images and one of maps of the same names, or "
        "--config.data_dir=MY_DATA with both, called images and depths."
      )
    return ["train", "val"]

  def _stand_in(self) -> str:
    return "generated scenes" if self.dataset == "scenes" else ""

  def _open(self, split: str) -> Source:
    if self.dataset == "scenes":
      number = self.scenes[SPLITS.index(split)]
      return DepthScenes(split, number, size=self.image_size)
    return self._parts[split == "val"]

  @functools.cached_property
  def _parts(self) -> Sequence[Source]:
    return split_train(MaskFolder(*self._folders), HELD, seed=0)

  @property
  def _folders(self) -> tuple[str, str]:
    inside = lambda x: os.path.join(self.data_dir, x) if self.data_dir else ""
    return self.images or inside("images"), self.depths or inside("depths")
