"""A folder of one's own data: its layout is found out, its splits opened."""

import dataclasses
import functools
import itertools
import logging
import os
import pathlib
from collections.abc import Mapping, Sequence

import numpy as np

from vision_jax.data.errors import DataError, some
from vision_jax.data.found import LABELS, MASKS, SPLITS, Found, Open
from vision_jax.data.recognise import recognise
from vision_jax.data.shared import files_of, refuse_shared, shared_files
from vision_jax.data.source import Source
from vision_jax.data.sources.masks import MaskFolder
from vision_jax.data.subsets import split_train
from vision_jax.errors import UserError

_SHARE = 0.1  # of train that is val where there is none
_LOG = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Own:
  """What a folder has, by our names of the splits.

  Where no val is given, a tenth is held out of train by hashes of the files'
  names, of each class where images have one.

  Attributes:
    folder: the data's folder.
    has: "labels", "boxes" or "masks".
    layout: its layout; "" finds it out.
    theirs: what the folder calls train, val and test, "" for none; () for what
      it says itself.
    pair: a folder of images and one of masks, in place of `folder`.
  """

  folder: str
  has: str
  layout: str = ""
  theirs: Sequence[str] = ()
  pair: tuple[str, str] | tuple[()] = ()

  @functools.cached_property
  def found(self) -> Found:
    """The folder as its layout reads it.

    Raises:
      UserError: if no folder is given, or it is none of `has`.
    """
    if self.pair:
      why = f"images in {self.pair[0]}, masks in {self.pair[1]}"
      opened = functools.partial(MaskFolder, *self.pair)
      return Found("masks", MASKS, why, {"train": opened})
    if not self.folder:
      raise UserError(
        "--config.data_dir is missing; expected the folder of your data, such "
        "as --config.data_dir=MY_DATA; --mode=check says what is in one."
      )
    return recognise(self.folder, self.layout, self.has)

  @functools.cached_property
  def _opens(self) -> Mapping[str, Open]:
    """Our name of each split that the folder has -> what opens it."""
    splits = self.found.splits
    if not self.theirs:
      return {s: splits[s] for s in SPLITS if s in splits}
    given = {s: t for s, t in zip(SPLITS, self.theirs, strict=True) if t}
    for theirs in given.values():
      if theirs not in splits:
        raise UserError(
          f"--config.splits: got {','.join(self.theirs)}; expected names that "
          f"{self.folder} has, {some(splits)}, or nothing where there is none."
        )
    return {s: splits[t] for s, t in given.items()}

  @property
  def place(self) -> str:
    """What to call it."""
    return self.folder or " and ".join(self.pair)

  @property
  def holds_out(self) -> bool:
    """Whether val is a part of train."""
    return not self.theirs and "val" not in self._opens

  def is_there(self) -> bool:
    """Whether there is a folder; predicting needs none."""
    return bool(self.pair) or (
      bool(self.folder) and pathlib.Path(self.folder).is_dir()
    )

  def split_names(self) -> tuple[str, ...]:
    """Returns train, val and, where there is one, test."""
    if not self.is_there():
      return ("train", "val")
    names = {*self._opens, *(("val",) if self.holds_out else ())}
    return tuple(split for split in SPLITS if split in names)

  def whole(self, split: str, **given: object) -> Source:
    """Returns a split as the folder has it; `given` as `Found.splits` says."""
    return self._opens[split](**given)

  def open(self, split: str, **given: object) -> Source:
    """Returns a split; of train what is not held out."""
    if not self.is_there():
      return _Absent(self.folder)
    if not self.holds_out or split == "test":
      return self.whole(split, **given)
    by_class = self.has == LABELS
    parts = split_train(
      self.whole("train", **given), _SHARE, seed=0, stratify=by_class
    )
    return parts[("train", "val").index(split)]

  def check(
    self,
    sources: Mapping[str, Source],
    names: Sequence[str],
    on_shared: str = "error",
  ) -> None:
    """Checks what is cheap to check, and says what was found, once a run.

    Raises:
      DataError: if splits that the folder has itself share images.
    """
    files = {split: files_of(source) for split, source in sources.items()}
    for first, second in itertools.combinations(files, 2):
      if not self.is_refused(first, second, on_shared):
        continue
      if pairs := shared_files(files[first], files[second]):
        raise refuse_shared(first, second, pairs, self.place)
    self._tell(sources, names)

  def is_refused(self, first: str, second: str, on_shared: str) -> bool:
    """Whether two splits must not share images: where it has them itself."""
    held = self.holds_out and {first, second} == {"train", "val"}
    return on_shared == "error" and not held

  def _tell(self, sources: Mapping[str, Source], names: Sequence[str]) -> None:
    sizes = [f"{split} {len(source)}" for split, source in sources.items()]
    held = " (val: a tenth of train, by file names)" if self.holds_out else ""
    _LOG.warning(
      "data %s: %s (%s), %s; images: %s%s; %d classes: %s",
      *(self.folder, self.found.layout, self.found.has, self.found.why),
      *(", ".join(sizes), held, len(names), some(names)),
    )

  def check_classes(self, train: Source, names: Sequence[str]) -> None:
    """Checks that each class has an image to train on, and one to hold out.

    Raises:
      DataError: naming the classes that have fewer.
    """
    counts = np.bincount(train.labels(), minlength=len(names))
    least = 2 if self.holds_out else 1
    few = [names[k] for k in np.flatnonzero(counts < least)]
    if few:
      fewer = "one image or none" if least == 2 else "no image"
      why = ", as some are held out for val" if least == 2 else ""
      raise DataError(
        f"data folder {self.folder}: of the classes {some(few)} it has {fewer} "
        f"in train; expected {least} or more of each{why}. Add images, leave "
        "the class out, or give a folder val."
      )


class _Absent:
  """A split of a folder that is not there, which is said where it is read."""

  def __init__(self, folder: str | os.PathLike[str]):
    self.folder = folder

  def __len__(self) -> int:
    raise DataError(
      f"data folder {self.folder or 'of --config.data_dir'}: does not exist; "
      "expected a folder. Check --config.data_dir."
    )

  def fingerprint(self) -> str:
    """Raises: there is none."""
    return str(len(self))

  def read(self, indices: np.ndarray) -> list:
    """Raises: there is none."""
    del indices
    return [len(self)]
