"""Data sets with boxes, by name: their splits and classes."""

import dataclasses
import functools
import os
import pathlib
from collections.abc import Sequence

import ml_collections
import numpy as np

from vision_jax.data.found import BOXES
from vision_jax.data.own import Own
from vision_jax.data.source import Source
from vision_jax.data.sources import people
from vision_jax.data.sources.coco import CocoSource
from vision_jax.data.sources.coco_keypoints import Keypoints
from vision_jax.data.sources.tfds_detection import TfdsDetection
from vision_jax.data.sources.voc import VocSource
from vision_jax.data.subsets import subset
from vision_jax.errors import UserError
from vision_jax.pipelines.sources import stand_ins
from vision_jax.pipelines.sources.base import DataSet

_NAMES = ("train", "val", "test")


@dataclasses.dataclass(frozen=True)
class BoxData(DataSet):
  """A data set of images with boxes; labels follow the classes' names.

  Attributes:
    dataset: "folder" (one's own, of any layout), "voc" (a folder of Pascal
      VOC's form), "coco" (a folder with annotations/instances_SPLIT.json and a
      folder of images for each split; of keypoints it is
      person_keypoints_SPLIT.json), "tfds/NAME" (a prepared set with objects),
      "scenes", generated digits, or "people", generated figures.
    splits: what the data set calls train, val and test; "" is none, and () of
      a folder what it says itself.
    class_names: names of the labels; () for those of the annotations.
    data_dir: folder of the data set; "" for the one in the folder of all data.
    images: folder of the images, where annotations lead out of data_dir; ""
      for the data set's own.
    layout: a folder's layout, see `Own`; "" finds it out.
    on_shared: "error" or "keep" images of a folder that two splits share.
    on_bad_box: "error", "clip" or "drop", see `BoxCheck`; evaluation scores the
      file's boxes.
    one_based: see `VocSource`.
    scenes: how many to generate, for train, val and test.
    image_size: (h, w) of what is generated.
    max_boxes: digits in a scene, or figures, at most.
    masks: whether boxes have the masks of their objects, of "coco" alone.
    keypoints: names of the objects' keypoints, in order, () for those of the
      annotations; None for no keypoints. Of "coco", "people", and of a "folder"
      of COCO's layout.
    least_points: keypoints that an image needs to be trained on, of all of its
      objects together.
    only: trains on so many images, and evaluates on them too, as the split
      "seen"; 0 for all, and no such split.
  """

  dataset: str
  splits: Sequence[str] = _NAMES
  class_names: Sequence[str] = ()
  _: dataclasses.KW_ONLY
  data_dir: str = ""
  images: str = ""
  layout: str = ""
  on_shared: str = "keep"
  on_bad_box: str = "error"
  one_based: bool = False
  scenes: Sequence[int] = (0, 0, 0)
  image_size: Sequence[int] = (64, 64)
  max_boxes: int = 100
  masks: bool = False
  keypoints: Sequence[str] | None = None
  least_points: int = 0
  only: int = 0

  @classmethod
  def of(cls, config: ml_collections.ConfigDict) -> "BoxData":
    """Returns the data set of a `detection_config`."""
    return cls(
      config.dataset,
      config.splits,
      config.class_names,
      data_dir=config.data_dir,
      images=config.images,
      layout=config.get("layout", ""),
      on_shared=config.get("on_shared", "keep"),
      on_bad_box=config.on_bad_box,
      one_based=config.one_based,
      scenes=config.scenes,
      image_size=config.image_size,
      max_boxes=config.max_boxes,
      masks=config.get("masks", False),
      keypoints=config.get("keypoint_names"),
      least_points=config.get("least_points", 0),
      only=config.only,
    )

  def names(self) -> tuple[str, ...]:
    """Returns the classes' names: as given, or of train's annotations."""
    if self.class_names or self.dataset == "scenes":
      return tuple(self.class_names)
    if self.dataset == "people":
      return people.CLASS_NAMES
    return tuple(self._whole.class_names)

  def keypoint_kind(self) -> Keypoints:
    """Returns what the objects' keypoints are."""
    return people.KEYPOINTS if self.dataset == "people" else self._whole.kind

  def split_names(self) -> tuple[str, ...]:
    """Returns train, val and test, as far as there are, and what was seen.

    Raises:
      UserError: for scenes that cannot be.
    """
    if self._generated:
      found = self._scenes.splits()
    elif self.dataset == "folder":
      found = self._own.split_names()
    else:
      found = tuple(name for name, theirs in self._theirs.items() if theirs)
    return (*found, "seen") if self.only else found

  def check(self) -> str:
    """Checks a folder's boxes and says what it has; returns its layout."""
    if self.dataset != "folder":
      return self.layout
    sources = {split: self.open(split) for split in self.split_names()}
    self._own.check(sources, self.names(), self.on_shared)
    return self._own.found.layout

  def _stand_in(self) -> str:
    if not self._generated:
      return ""
    return "generated people" if self.dataset == "people" else "digit scenes"

  def _open(self, split: str) -> Source:
    """Opens a split.

    Raises:
      UserError: for a data set of no known name.
    """
    if split == "seen":
      return self.train
    opened = (self._drawn if self._generated else self._files)(split)
    if split == "train" and self.least_points:
      which = functools.partial(_with_points, opened, self.least_points)
      opened = subset(opened, which)
    if split == "train" and self.only:
      return subset(opened, np.arange(self.only))
    return opened

  @property
  def _generated(self) -> bool:
    return self.dataset in ("scenes", "people")

  @property
  def _whole(self) -> Source:
    """Train as its annotations have it, without a part held out."""
    if self.dataset == "folder":
      return self._own.whole("train", **self._more)
    return self._files("train")

  @property
  def _more(self) -> dict[str, object]:
    """What a folder's source takes beside what all layouts do."""
    if self.keypoints is None or not self._own.is_there():
      return {}
    if (layout := self._own.found.layout) != "coco":
      raise UserError(
        f"data folder {self.data_dir}: is of the layout {layout}, which has no "
        "keypoints; expected COCO's json, with the categories' `keypoints`."
      )
    return {"keypoints": tuple(self.keypoints)}

  @functools.cached_property
  def _scenes(self) -> stand_ins.Scenes:
    return stand_ins.Scenes(self.scenes, self.image_size, self.max_boxes)

  def _drawn(self, split: str) -> Source:
    if self.dataset == "people":
      return self._scenes.people(split, self.class_names)
    stand_ins.check_names(self.class_names)
    return self._scenes.open(split)

  @functools.cached_property
  def _own(self) -> Own:
    return Own(self.data_dir, BOXES, self.layout, tuple(self.splits))

  @property
  def _theirs(self) -> dict[str, str]:
    """Our names of the splits -> theirs, "" for none."""
    return dict(zip(_NAMES, self.splits or _NAMES, strict=True))

  def _files(self, split: str) -> Source:
    kind, _, name = self.dataset.partition("/")
    if self.masks and kind != "coco":
      raise UserError(
        f"--config.masks=true: got --config.dataset={self.dataset}; expected "
        "coco, whose annotations have masks."
      )
    if self.keypoints is not None and kind not in ("coco", "folder"):
      raise UserError(
        f"--config.dataset: got {self.dataset}; expected coco, folder or "
        "people, which have keypoints."
      )
    given = {
      "class_names": tuple(self.class_names),
      "on_bad_box": self.on_bad_box,
      "exact": split != "train",  # evaluation scores the file's boxes
    }
    if kind == "folder":
      given |= self._more | {"one_based": self.one_based}
      return self._own.open(split, **given)
    theirs = self._theirs[split]
    if kind == "tfds":
      return TfdsDetection(name, theirs, self.data_dir, **given)
    if kind == "coco":
      return self._coco(theirs, **given)
    if kind == "voc":
      base, images = self.one_based, self.images
      folder = _voc_folder(self.data_dir)
      return VocSource(folder, theirs, one_based=base, images=images, **given)
    raise UserError(
      f"--config.dataset: got {self.dataset!r}; expected folder, voc, coco, "
      "scenes, people or tfds/NAME."
    )

  def _coco(self, split: str, **given: object) -> CocoSource:
    root = pathlib.Path(self.data_dir)
    points = None if self.keypoints is None else tuple(self.keypoints)
    what = "instances" if points is None else "person_keypoints"
    return CocoSource(
      root / "annotations" / f"{what}_{split}.json",
      self.images or root / split,
      root=self.images or root,
      masks=self.masks,
      keypoints=points,
      **given,
    )


def _with_points(source: CocoSource | people.People, least: int) -> np.ndarray:
  """Returns which of a source's images have so many labelled keypoints."""
  found = np.flatnonzero(source.labelled() >= least)
  if not len(found):
    raise UserError(
      f"--config.least_points: got {least}; no image to train on has as many "
      f"labelled keypoints, the most are {max(source.labelled(), default=0)}; "
      "expected fewer."
    )
  return found


def _voc_folder(data_dir: str) -> pathlib.Path:
  """The VOC folder: as given, or BCCD's in the folder of all data."""
  given = pathlib.Path(data_dir or os.environ.get("VISION_JAX_DATA", ""))
  inside = given / "bccd_voc"
  alone = data_dir and not inside.is_dir()
  return given if alone else inside
