"""Data sets of images with single objects, by name: one's own, or discs."""

import dataclasses
import functools
from collections.abc import Sequence

import ml_collections

from vision_jax.data.found import MASKS
from vision_jax.data.own import Own
from vision_jax.data.source import Source
from vision_jax.data.sources.discs import Discs
from vision_jax.data.sources.drawn import SPLITS
from vision_jax.errors import UserError
from vision_jax.pipelines.sources.base import DataSet


@dataclasses.dataclass(frozen=True)
class InstanceData(DataSet):
  """A data set of images, each with a map that numbers its objects.

  Attributes:
    dataset: "folder", one's own, or "discs", generated ones.
    data_dir: of the data set "folder": images and masks in it, in any layout of
      masks that is known; a tenth is held out as val where there is none.
    images, masks: the two folders, where they lie elsewhere.
    layout: the layout of one's own; "" finds it out.
    on_shared: "error" or "keep" images of one's own that two splits share.
    scenes: how many images of discs there are in train, val and test.
    image_size: (h, w) of these, the same.
  """

  dataset: str
  _: dataclasses.KW_ONLY
  data_dir: str = ""
  images: str = ""
  masks: str = ""
  layout: str = ""
  on_shared: str = "error"
  scenes: Sequence[int] = (0, 0, 0)
  image_size: Sequence[int] = (64, 64)

  @classmethod
  def of(cls, config: ml_collections.ConfigDict) -> "InstanceData":
    """Returns the data set of a config with keys of these names."""
    return cls(
      config.dataset,
      data_dir=config.data_dir,
      images=config.images,
      masks=config.masks,
      layout=config.layout,
      on_shared=config.on_shared,
      scenes=tuple(config.scenes),
      image_size=tuple(config.image_size),
    )

  def names(self) -> tuple[str, ...]:
    """Returns none: objects are of one kind."""
    return ()

  def split_names(self) -> Sequence[str]:
    """Returns the splits that have images, train first.

    Raises:
      UserError: for a data set of another name, or without discs to train on.
    """
    if self.dataset == "folder":
      return self._own.split_names()
    if self.dataset != "discs":
      raise UserError(
        f"--config.dataset: got {self.dataset!r}; expected folder or discs."
      )
    if len(self.scenes) != 3 or not self.scenes[0]:
      raise UserError(
        f"--config.scenes: got {tuple(self.scenes)}; expected how many for "
        "train, val and test, and at least one to train on."
      )
    return [s for s, n in zip(SPLITS, self.scenes, strict=True) if n]

  def check(self) -> str:
    """Says what a folder has; returns its layout."""
    if self.dataset != "folder" or self._own.pair:
      return self.layout
    sources = {split: self.open(split) for split in self.split_names()}
    self._own.check(sources, ("object",), self.on_shared)
    return self._own.found.layout

  def _stand_in(self) -> str:
    return "generated discs" if self.dataset == "discs" else ""

  def _open(self, split: str) -> Source:
    if self.dataset == "discs":
      number = self.scenes[SPLITS.index(split)]
      return Discs(split, number, size=self.image_size[0])
    return self._own.open(split)

  @functools.cached_property
  def _own(self) -> Own:
    given = (self.images, self.masks)
    if any(given) and not all(given):
      raise UserError(
        f"--config.images={self.images} --config.masks={self.masks}: expected "
        "both, or one folder with both, --config.data_dir=MY_DATA."
      )
    pair = given if all(given) else ()
    return Own("" if pair else self.data_dir, MASKS, self.layout, pair=pair)
