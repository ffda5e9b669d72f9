"""Data sets with masks, by name: their splits, and what their masks say."""

import dataclasses
import functools
from collections.abc import Sequence

import ml_collections

from vision_jax.data.errors import some
from vision_jax.data.found import MASKS
from vision_jax.data.own import Own
from vision_jax.data.source import Source
from vision_jax.data.sources.masks import (
  CAMVID_CLASSES,
  MANY,
  MaskFolder,
  are_classes,
  camvid,
  gaps,
)
from vision_jax.data.subsets import split_train
from vision_jax.data.transforms.base import Transform
from vision_jax.data.transforms.masks import decode_target
from vision_jax.errors import UserError
from vision_jax.losses.class_weights import (
  effective_number_weights,
  median_frequency_weights,
)
from vision_jax.pipelines.sources import stand_ins
from vision_jax.pipelines.sources.base import DataSet

OBJECTS = ("background", "object")
MEDIAN, EFFECTIVE = "median_frequency", "effective_number"
CROWD, FEW = 15, 5  # digits in a scene at most, to train and to evaluate


@dataclasses.dataclass(frozen=True)
class MaskData(DataSet):
  """A data set of images with masks.

  Its splits are train, val and test; of a folder of one's own a tenth is held
  out of train as val, and there is no test.

  Attributes:
    dataset: "camvid", "folder" (one's own: a folder of images and one of masks,
      or `data_dir`, whose layout is found out) or "scenes", generated digit
      scenes.
    class_names: names of the labels; () where the masks are to say.
    mask_values, ignore_values, objects: see `decode_target`.
    data_dir: CamVid's folder; "" for the one in the folder of all data. Or
      one's own.
    images, masks: folders of the data set "folder".
    layout: the layout of one's own, see `Own`; "" finds it out.
    on_shared: "error" or "keep" images of one's own that two splits share.
    scenes: how many to generate, for train, val and test. Training scenes are
      crowded, which teaches more digits at the same cost.
    image_size: (h, w) of scenes.
  """

  dataset: str
  class_names: Sequence[str] = ()
  mask_values: Sequence[int] = ()
  ignore_values: Sequence[int] = ()
  _: dataclasses.KW_ONLY
  data_dir: str = ""
  images: str = ""
  masks: str = ""
  objects: bool = False
  layout: str = ""
  on_shared: str = "keep"
  scenes: Sequence[int] = (0, 0, 0)
  image_size: Sequence[int] = (64, 64)

  @classmethod
  def of(cls, config: ml_collections.ConfigDict) -> "MaskData":
    """Returns the data set of a `segmentation_config`."""
    return cls(
      config.dataset,
      config.class_names,
      config.mask_values,
      config.ignore_values,
      data_dir=config.data_dir,
      images=config.images,
      masks=config.masks,
      objects=config.get("objects", False),
      layout=config.get("layout", ""),
      on_shared=config.get("on_shared", "keep"),
      scenes=config.scenes,
      image_size=config.image_size,
    )

  def decode_target(self) -> Transform:
    """Returns what decodes a mask to the classes."""
    return decode_target(
      len(self.class_names),
      mask_values=tuple(self.mask_values),
      ignore_values=tuple(self.ignore_values),
      objects=self.objects and self.dataset == "folder",
    )

  def split_names(self) -> tuple[str, ...]:
    """Returns train, val and test, as far as there are.

    Raises:
      UserError: for a data set of no known name, or scenes that cannot be.
    """
    if self.dataset == "scenes":
      return self._scenes.splits()
    if self.dataset == "camvid":
      return ("train", "val", "test")
    if self.dataset == "folder":
      return self._own.split_names() if self._is_one else ("train", "val")
    raise UserError(
      f"--config.dataset: got {self.dataset!r}; expected camvid, folder or "
      "scenes."
    )

  def _stand_in(self) -> str:
    return "digit scenes" if self.dataset == "scenes" else ""

  def _open(self, split: str) -> Source:
    """Opens a split; refuses class names that are not the data set's own."""
    if not self.mask_values:  # which say themselves what is what
      self._check_names()
    if self.dataset == "scenes":
      return self._scenes.open(split)
    if self.dataset == "camvid":
      return camvid(split, self.data_dir)
    return self._own.open(split) if self._is_one else self._parts[split]

  @property
  def _is_one(self) -> bool:
    """Whether one folder has images and masks."""
    return bool(self.data_dir) and not (self.images or self.masks)

  @functools.cached_property
  def _own(self) -> Own:
    return Own(self.data_dir, MASKS, self.layout)

  def check(self) -> str:
    """Says what a folder has; returns its layout."""
    if self.dataset != "folder" or not self._is_one:
      return self.layout
    sources = {split: self.open(split) for split in self.split_names()}
    self._own.check(sources, self.class_names, self.on_shared)
    return self._own.found.layout

  @functools.cached_property
  def _scenes(self) -> stand_ins.Scenes:
    return stand_ins.Scenes(
      *(self.scenes, self.image_size),
      most=FEW,
      most_trained=CROWD,
      numbered=True,
    )

  @functools.cached_property
  def _parts(self) -> dict[str, Source]:
    """Train and val of a folder."""
    parts = split_train(MaskFolder(self.images, self.masks), 0.1, seed=0)
    return dict(zip(("train", "val"), parts, strict=True))

  def names(self) -> tuple[str, ...]:
    """Returns the classes' names: as given, or numbers from the masks' values.

    Raises:
      UserError: if the masks have values that do not say what they are.
    """
    if self.class_names or self.dataset != "folder":
      return tuple(self.class_names)
    if self.objects:
      return OBJECTS
    number = len(self.mask_values) or self._count()
    return tuple(str(i) for i in range(number))

  def _check_names(self) -> None:
    """Checks names that are given of masks whose classes are known."""
    names = tuple(self.class_names)
    if self.dataset == "scenes":
      stand_ins.check_names(names, stand_ins.SCENE_CLASSES)
    other = names != CAMVID_CLASSES and sorted(names) == sorted(CAMVID_CLASSES)
    if self.dataset == "camvid" and other:
      raise UserError(
        f"--config.class_names: got {some(names, MANY)}; expected the order of "
        f"CamVid's masks, {some(CAMVID_CLASSES, MANY)}. For another order say "
        "which value each class has, as in --config.mask_values=3,0,..."
      )

  def balanced_weights(
    self, by: str = MEDIAN, beta: float = 0.0
  ) -> tuple[float, ...]:
    """Returns weights of the classes by train's pixels; () for scenes.

    Args:
      by: "median_frequency" or "effective_number".
      beta: of effective numbers.
    """
    if self.dataset == "scenes":
      return ()
    counts = self._train().class_pixels(
      self.decode_target(), len(self.class_names)
    )
    weights = median_frequency_weights(*counts)
    if by == EFFECTIVE:
      weights = effective_number_weights(counts[0], beta)
    return tuple(round(float(w), 4) for w in weights)

  def _train(self) -> MaskFolder:
    """All masks of which some are trained on."""
    if self.dataset == "camvid":
      return camvid("train", self.data_dir)
    if self._is_one:
      return self._own.whole("train")
    if not self.images or not self.masks:
      raise UserError(
        f"--config.images={self.images} --config.masks={self.masks}: "
        "expected a folder of images and a folder of masks of the same names, "
        "or one folder with both, --config.data_dir=MY_DATA."
      )
    return MaskFolder(self.images, self.masks)

  def _count(self) -> int:
    values = set(self._train().values()) - set(self.ignore_values)
    if not are_classes(sorted(values)):
      raise UserError(gaps(self.masks or self.data_dir, sorted(values)))
    return len(values)
