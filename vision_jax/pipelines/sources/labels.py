"""Data sets of images with labels, by name.

"mnist" and "cifar10" are prepared TFDS sets that are decoded once and kept in
memory, unless a config has them resized; "folder" is one's own, of any layout;
"digits" are scikit-learn's, which stand in for the others, at their size, in
`tiny` variants; every other name is a prepared TFDS set of photographs, such as
"imagenet2012".
"""

import dataclasses
import functools
from collections.abc import Sequence

import ml_collections
import numpy as np

from vision_jax.data.classes import few_shots, of_classes
from vision_jax.data.found import LABELS
from vision_jax.data.memory import InMemory
from vision_jax.data.own import Own
from vision_jax.data.source import Source
from vision_jax.data.sources.digits import EnlargedDigits
from vision_jax.data.sources.tfds import TfdsSource
from vision_jax.data.subsets import split_train
from vision_jax.data.transforms.image import decode
from vision_jax.errors import UserError
from vision_jax.pipelines.sources import stand_ins
from vision_jax.pipelines.sources.base import DataSet

CLASS_NAMES = {
  "digits": stand_ins.DIGITS,
  "mnist": stand_ins.DIGITS,
  "cifar10": (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
  ),
}
# Of the files of a data set; those of all others are photographs, in colour.
CHANNELS = {"mnist": (1,), "digits": (1, 3)}  # grey can be given as colour
_IN_MEMORY = ("mnist", "cifar10")
# ImageNet's test labels are not public: its validation set is the test.
_SPLITS = {("imagenet2012", "test"): "validation"}


@dataclasses.dataclass(frozen=True)
class LabelData(DataSet):
  """A data set of images with labels.

  Its splits are train and test, and "val", which is held out of train. A folder
  says which it has itself; a tenth of each class is val where it has none.

  Attributes:
    dataset: "mnist", "cifar10", "folder", "digits" or the name of a TFDS set.
    class_names: a folder's classes, in the labels' order; () for its own.
    image_size: side of the images that the net sees, to which digits are
      enlarged at once.
    channels: number of the images' channels: 1 or 3, or any of a folder's.
    holdout: examples of train that are held out, not of a folder's.
    data_dir: folder of the data, "" for VISION_JAX_DATA.
    layout: a folder's layout, see `Own`; "" finds it out.
    on_shared: "error" or "keep" images of a folder that two splits share.
    threads: how many threads decode what is kept in memory; 0 is one for each
      core.
    classes: names of those that are taken of a data set, in the order of their
      labels; () for all. Of a folder all are.
    shots: examples of each class to train on, drawn by `seed`; 0 is all.
    seed: of that draw.
    in_memory: whether small data sets are decoded and kept, at their own size.
  """

  dataset: str
  class_names: Sequence[str] = ()
  _: dataclasses.KW_ONLY
  image_size: int = 8
  channels: int = 3
  holdout: int = 0
  data_dir: str = ""
  layout: str = ""
  on_shared: str = "keep"
  threads: int = 0
  classes: Sequence[str] = ()
  shots: int = 0
  seed: int = 0
  in_memory: bool = True

  def __post_init__(self):
    if self.classes and self.dataset == "folder":
      raise UserError(
        f"--config.classes: got {', '.join(self.classes)} of a folder, whose "
        "classes are all taken; expected none. Leave folders of classes out."
      )

  @classmethod
  def of(cls, config: ml_collections.ConfigDict) -> "LabelData":
    """Returns the data set of a config with keys of these names."""
    return cls(
      config.dataset,
      config.get("class_names", ()),
      image_size=config.image_size,
      channels=config.channels,
      holdout=config.holdout,
      data_dir=config.data_dir,
      layout=config.get("layout", ""),
      on_shared=config.get("on_shared", "keep"),
      threads=config.threads,
      classes=tuple(config.get("classes", ())),
      shots=config.get("shots", 0),
      seed=config.seed,
      in_memory=config.get("in_memory", True),
    )

  def names(self) -> tuple[str, ...]:
    """Returns the classes' names: as given, known, or those of the folder.

    Raises:
      UserError: if no folder is given.
    """
    if self.classes:
      return tuple(self.classes)
    if self.class_names or self.dataset != "folder":
      return tuple(self.class_names) or CLASS_NAMES.get(self.dataset, ())
    return tuple(self._own.whole("train").class_names)

  def split_names(self) -> tuple[str, ...]:
    """Returns train, val where some is held out, and test."""
    if self.dataset != "folder":
      return ("train", *(("val",) if self.holdout else ()), "test")
    return self._own.split_names()

  def check(self) -> str:
    """Checks a folder's classes and says what it has; returns its layout.

    Raises:
      UserError: if a class has no image to train on.
    """
    if self.dataset != "folder":
      return self.layout
    names = self.names()
    sources = {split: self.open(split) for split in self.split_names()}
    whole = self._own.whole("train", class_names=names)
    self._own.check_classes(whole, names)
    self._own.check(sources, names, self.on_shared)
    return self._own.found.layout

  def balanced_weights(self) -> tuple[float, ...]:
    """Returns weights by which each class of train counts alike.

    Those of the examples that a batch draws are 1 on average.
    """
    counts = np.bincount(self.train.labels(), minlength=len(self.class_names))
    weights = counts.sum() / (len(counts) * np.maximum(counts, 1))
    return tuple(round(float(w), 4) for w in weights)

  def _stand_in(self) -> str:
    return "scikit-learn's digits" if self.dataset == "digits" else ""

  def _open(self, split: str) -> Source:
    source = self._parts[split] if split in self._parts else self._whole(split)
    if self.shots and split == "train":
      return few_shots(source, self.shots, self.seed)
    return source

  @functools.cached_property
  def _parts(self) -> dict[str, Source]:
    """Train and val, where the one is held out of the other."""
    if self.dataset == "folder" or not self.holdout:
      return {}
    split = split_train(self._whole("train"), self.holdout, seed=0)
    return dict(zip(("train", "val"), split, strict=True))

  @functools.cached_property
  def _own(self) -> Own:
    return Own(self.data_dir, LABELS, self.layout)

  def _whole(self, split: str) -> Source:
    """A split as the data set has it, nothing held out, of the classes."""
    source = self._all(split)
    if not self.classes:
      return source
    known = CLASS_NAMES.get(self.dataset) or source.class_names
    return of_classes(source, self.classes, known)

  def _all(self, split: str) -> Source:
    _check_channels(self.dataset, self.channels)
    if self.dataset == "folder":
      return self._own.open(split, class_names=self.class_names)
    if self.dataset == "digits":
      return EnlargedDigits(split, self.image_size, self.channels)
    theirs = _SPLITS.get((self.dataset, split), split)
    source = TfdsSource(self.dataset, theirs, data_dir=self.data_dir)
    if self.dataset in _IN_MEMORY and self.in_memory:
      return InMemory(source, [decode(self.channels)], self.threads)
    return source


def _check_channels(name: str, channels: int) -> None:
  have = CHANNELS.get(name, (3,))
  if name != "folder" and channels not in have:
    expected = " or ".join(map(str, have))
    raise UserError(
      f"--config.channels: got {channels}; expected {expected}, as the "
      f"images of {name} have."
    )
