"""Data sets with boxes, by name: their splits and classes."""

import dataclasses
import os
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from vision_jax.data.sources.coco import CocoSource
from vision_jax.data.sources.tfds_detection import TfdsDetection
from vision_jax.data.sources.voc import VocSource
from vision_jax.data.subsets import subset
from vision_jax.errors import UserError
from vision_jax.pipelines.scenes import check_scene_names, open_scenes
from vision_jax.pipelines.unused import tell_unused

_NAMES = ("train", "val", "test")


@dataclasses.dataclass(frozen=True)
class BoxData:
  """A data set of images with boxes; labels follow the classes' names.

  Attributes:
    dataset: "voc" (a folder of Pascal VOC's form), "coco" (a folder with
      annotations/instances_SPLIT.json and a folder of images for each split),
      "tfds/NAME" (a prepared set with objects) or "scenes", generated digits.
    splits: of train, val and test, "" for none.
    class_names: of the labels; () for those of the annotations.
    data_dir: folder of the data set; "" for the one in the folder of all data.
    images: folder of the pictures, where annotations lead out of data_dir; ""
      for the data set's own.
    on_bad_box: "error", "clip" or "drop", see `BoxCheck`; evaluation scores the
      file's boxes.
    one_based: see `VocSource`.
    scenes: how many to generate, for train, val and test.
    image_size: (h, w) of scenes.
    max_boxes: digits in a scene, at most.
  """

  dataset: str
  splits: Sequence[str] = _NAMES
  class_names: Sequence[str] = ()
  _: dataclasses.KW_ONLY
  data_dir: str = ""
  images: str = ""
  on_bad_box: str = "error"
  one_based: bool = False
  scenes: Sequence[int] = (0, 0, 0)
  image_size: Sequence[int] = (64, 64)
  max_boxes: int = 100

  def open(self, only: int = 0) -> dict[str, Any]:
    """Returns the sources of train and of what is evaluated, by name.

    Args:
      only: trains on so many images, and evaluates on them, as `seen`; 0 for
        all, and no such evaluation.

    Raises:
      UserError: for a data set of no known name, or scenes that cannot be.
    """
    found = self._scenes() if self.dataset == "scenes" else self._files()
    if only:
      few = subset(found["train"], np.arange(only))
      found |= {"train": few, "seen": few}
    return found

  def names(self) -> tuple[str, ...]:
    """Returns the classes' names: as given, or of train's annotations."""
    if self.class_names or self.dataset == "scenes":
      return tuple(self.class_names)
    return tuple(self.open_split(self.splits[0]).class_names)

  def open_split(self, split: str, *, exact: bool = False) -> Any:
    """Opens a split of files; `exact` is for evaluation, see `BoxCheck`."""
    kind, _, name = self.dataset.partition("/")
    given = {
      "class_names": tuple(self.class_names),
      "on_bad_box": self.on_bad_box,
      "exact": exact,
    }
    if kind == "tfds":
      return TfdsDetection(name, split, self.data_dir, **given)
    if kind == "coco":
      return self._coco(split, given)
    if kind == "voc":
      base, images = self.one_based, self.images
      folder = _voc_folder(self.data_dir)
      return VocSource(folder, split, one_based=base, images=images, **given)
    raise UserError(
      f"--config.dataset: got {self.dataset!r}; expected voc, coco, scenes or "
      "tfds/NAME."
    )

  def _coco(self, split: str, given: dict[str, Any]) -> CocoSource:
    root = pathlib.Path(self.data_dir)
    return CocoSource(
      root / "annotations" / f"instances_{split}.json",
      self.images or root / split,
      root=self.images or root,
      **given,
    )

  def _files(self) -> dict[str, Any]:
    return {
      name: self.open_split(split, exact=name != "train")
      for name, split in zip(_NAMES, self.splits, strict=True)
      if split
    }

  def _scenes(self) -> dict[str, Any]:
    tell_unused("digit scenes", data_dir=self.data_dir, images=self.images)
    check_scene_names(self.class_names)
    return open_scenes(self.scenes, self.image_size, most=self.max_boxes)


def _voc_folder(data_dir: str) -> pathlib.Path:
  """The VOC folder: as given, or BCCD's in the folder of all data."""
  given = pathlib.Path(data_dir or os.environ.get("VISION_JAX_DATA", ""))
  inside = given / "bccd_voc"
  alone = data_dir and not inside.is_dir()
  return given if alone else inside
