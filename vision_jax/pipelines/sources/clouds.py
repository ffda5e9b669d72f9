"""Clouds by name: generated, or an npz of one's own."""

import dataclasses
import functools
from collections.abc import Mapping, Sequence

import ml_collections

from vision_jax.data.source import Source
from vision_jax.data.sources.cloud_file import CloudFile
from vision_jax.data.sources.clouds import CLASS_NAMES, CloudCutouts, CloudTiles
from vision_jax.errors import UserError
from vision_jax.pipelines.sources.base import DataSet

# The keys of a config on clouds, see `Clouds`.
CLOUDS: Mapping[str, object] = {
  "dataset": "clouds",
  "window": 64,
  "image_size": (256, 256),
  "scenes": (12_800, 640),
  "tiles": (384, 0, 64),
}


def resolve_clouds(config: ml_collections.ConfigDict) -> None:
  """Fills in the sizes of one's own npz, as a run begins."""
  if config.dataset == "npz":
    file = CloudFile(config.data_dir)
    config.window, config.image_size = file.window, tuple(file.tile)
    if "crop" in config:  # training images are as small as they come
      config.crop = ()


@dataclasses.dataclass(frozen=True)
class Clouds(DataSet):
  """Small images, clear or cloudy, with labels; and tiles with masks.

  Its splits are those of the small images, train and test, or with `masks` of
  tiles: train, val and test. No two share a pixel. An npz has no tiles to train
  on: its small images stand for them, and their label for each of their pixels
  where it has no train_masks.

  Attributes:
    dataset: "clouds", generated, or "npz", one's own.
    data_dir: the npz file, see `CloudFile`.
    window: side of the small images, in pixels.
    image_size: (h, w) of the tiles; generated ones are square.
    scenes: how many small images to generate, for train and test.
    tiles: how many tiles, for train, val and test.
    masks: whether the splits are those with masks.
  """

  dataset: str = "clouds"
  data_dir: str = ""
  window: int = 64
  image_size: Sequence[int] = (256, 256)
  scenes: Sequence[int] = (12_800, 640)
  tiles: Sequence[int] = (384, 0, 64)
  masks: bool = False

  def __post_init__(self):
    if self.dataset not in ("clouds", "npz"):
      raise UserError(
        f"--config.dataset: got {self.dataset!r}; expected clouds or npz."
      )
    if self.is_own and not self.data_dir:
      raise UserError(
        "--config.data_dir: got none; expected the npz file, such as toy.npz."
      )
    if len(self.scenes) != 2 or min(self.scenes) < 2:
      raise UserError(
        f"--config.scenes: got {tuple(self.scenes)}; expected how many for "
        "train and test, two or more of each."
      )
    if len(self.tiles) != 3 or not (self.tiles[0] and self.tiles[2]):
      raise UserError(
        f"--config.tiles: got {tuple(self.tiles)}; expected how many for "
        "train, val and test, and at least one for train and for test."
      )
    h, w = self.image_size
    if min(h, w) < self.window or (h != w and not self.is_own):
      raise UserError(
        f"--config.image_size: got {h}x{w}; expected tiles of {self.window} "
        "pixels at least, as windows have, and square ones if they are "
        "generated."
      )

  @classmethod
  def of(
    cls, config: ml_collections.ConfigDict, masks: bool = False
  ) -> "Clouds":
    """Returns the clouds of a config with the keys of CLOUDS."""
    return cls(
      dataset=config.dataset,
      data_dir=config.data_dir,
      window=config.window,
      image_size=tuple(config.image_size),
      scenes=tuple(config.scenes),
      tiles=tuple(config.tiles),
      masks=masks,
    )

  @property
  def is_own(self) -> bool:
    """Whether it is an npz of one's own."""
    return self.dataset == "npz"

  def names(self) -> tuple[str, ...]:
    """Returns the names of the classes."""
    return CLASS_NAMES

  def split_names(self) -> Sequence[str]:
    """Returns the splits that there are."""
    if not self.masks:
      return ("train", "test")
    if self.is_own:
      return ("train", "test") if self.measured is not None else ("train",)
    sizes = zip(("train", "val", "test"), self.tiles, strict=True)
    return tuple(split for split, number in sizes if number)

  def _stand_in(self) -> str:
    return "" if self.is_own else "generated clouds"

  def _open(self, split: str) -> Source:
    if self.is_own:
      tiles = self.masks and split == "test"
      return self._file.tiles() if tiles else self._file.cutouts(split)
    if self.masks:
      number = self.tiles[("train", "val", "test").index(split)]
      return CloudTiles(split, number, size=self.image_size[0])
    number = self.scenes[("train", "test").index(split)]
    return CloudCutouts(split, number, size=self.window)

  @functools.cached_property
  def to_map(self) -> Source:
    """The tiles that maps are made of, with or without masks."""
    if self.is_own:
      return self._file.tiles()
    return CloudTiles("test", self.tiles[2], size=self.image_size[0])

  @property
  def measured(self) -> Source | None:
    """The same, if they have masks to measure maps by."""
    return self.to_map if not self.is_own or self.to_map.masked else None

  @functools.cached_property
  def _file(self) -> CloudFile:
    return CloudFile(self.data_dir)
