"""Prepared TFDS sets with boxes, read without TensorFlow."""

import functools
import io
import os
from collections.abc import Sequence

import numpy as np
from PIL import Image

from vision_jax.data.errors import BadImage, DataError
from vision_jax.data.pickled import AsMade, Lock
from vision_jax.data.reading import reading
from vision_jax.data.source import Example
from vision_jax.data.sources.box_check import BoxCheck
from vision_jax.data.sources.class_names import labels_of, some
from vision_jax.data.sources.tfds import TfdsSource
from vision_jax.data.transforms.boxes import to_fractions

_ROWS = 256  # read at a time to check annotations
_FLAGS = {"crowd": "is_crowd", "ignore": "is_difficult"}


class TfdsDetection(AsMade):
  """A split of a TFDS set whose feature `objects` has `bbox` and `label`.

  An example has `image`, encoded, `boxes` (n, 4) cxcywh in [0, 1], `label` (n,)
  and `size` (2,), and where the objects have `is_crowd` and `is_difficult`,
  `crowd` and `ignore` (n,). All annotations are checked on first use: that
  reads every record once, since they have the images too.

  Args:
    name, split, data_dir: as for `TfdsSource`.
    class_names: names in the order of the labels, all that the set has; ()
      takes the set's own order.
    on_bad_box, exact: see `BoxCheck`.

  Raises:
    DataError: on first use, if the set has no such feature, a class that is
      none of `class_names`, or a wrong box or label: naming the example.
  """

  def __init__(
    self,
    name: str,
    split: str,
    data_dir: str | os.PathLike[str] | None = None,
    class_names: Sequence[str] = (),
    *,
    on_bad_box: str = "error",
    exact: bool = False,
  ):
    keys = {"image": "image", "objects": "objects"}
    self._source = TfdsSource(name, split, data_dir, keys)
    self._given = tuple(class_names)
    self.check = BoxCheck(on_bad_box, exact)
    self._lock = Lock()

  @property
  def class_names(self) -> tuple[str, ...]:
    """Names in the order of the labels."""
    return self._given or self._theirs

  @functools.cached_property
  def _theirs(self) -> tuple[str, ...]:
    """The set's names, in its order."""
    objects = self._source.feature("objects")
    try:
      objects["bbox"]  # has to be there
      return tuple(objects["label"].names)
    except (KeyError, TypeError, AttributeError) as error:
      raise DataError(
        f"tfds set {self._source.name}: its feature `objects` is {objects}; "
        "expected a sequence with `bbox` and `label`, a class label. It is no "
        "set of boxes."
      ) from error

  @functools.cached_property
  def _labels(self) -> np.ndarray:
    """Our label of each of the set's."""
    labels = labels_of(self.class_names)
    if unknown := [name for name in self._theirs if name not in labels]:
      raise DataError(
        f"tfds set {self._source.name}: its classes {some(unknown)} are none "
        f"of class_names, {some(labels)}; expected all of "
        f"{some(self._theirs)}. Correct --config.class_names."
      )
    return np.array([labels[name] for name in self._theirs], np.int32)

  @property
  def num_classes(self) -> int:
    """Number of classes."""
    return len(self.class_names)

  def __len__(self) -> int:
    return len(self._source)

  def paths(self) -> list[str]:
    """Returns each example's number: a set that is prepared has no names."""
    return [str(i) for i in range(len(self))]

  def read(self, indices: np.ndarray) -> list[Example]:
    """Returns examples with encoded images."""
    self._ready()
    return [self._example(row) for row in self._source.read(indices)]

  def _ready(self) -> bool:
    with self._lock:  # checked once, and warned of once
      return self._checked

  @functools.cached_property
  def _checked(self) -> bool:
    """Whether all annotations are right; raises for the first that is not."""
    for start in range(0, len(self), _ROWS):
      self._check(np.arange(start, min(start + _ROWS, len(self))))
    return True

  def _check(self, indices: np.ndarray) -> None:
    """Checks some annotations; bad images are found where they are used."""
    try:
      for row in self._source.read(indices):
        self._example(row)
    except BadImage:
      for i in indices if len(indices) > 1 else ():
        self._check(np.array([i]))

  def fingerprint(self) -> str:
    """Returns the prepared set's fingerprint."""
    return self._source.fingerprint()

  def _example(self, row: Example) -> Example:
    objects, name = row["objects"].item(), row["name"]
    size = _size(row["image"], name)
    h, w = size
    yxyx = np.asarray(objects["bbox"], np.float64).reshape(-1, 4)
    pixels = yxyx[:, [1, 0, 3, 2]] * [w, h, w, h]
    boxes, kept = self.check(pixels, size, name)
    theirs = np.asarray(objects["label"], np.int64).reshape(-1)[kept]
    if ((theirs < 0) | (theirs >= len(self._labels))).any():
      raise DataError(
        f"{name}: has the labels {some(theirs)}; expected 0 to "
        f"{len(self._labels) - 1}. Prepare the set again."
      )
    flags = {
      ours: np.asarray(objects[key], np.float32).reshape(-1)[kept]
      for ours, key in _FLAGS.items()
      if key in objects
    }
    return {
      "name": name,
      "image": row["image"],
      "boxes": to_fractions(boxes, size),
      "label": self._labels[theirs],
      "size": np.array(size, np.int32),
    } | flags


def _size(data: bytes, name: str) -> tuple[int, int]:
  """Returns (height, width) of an encoded image."""
  with reading(name, data), Image.open(io.BytesIO(data)) as image:
    return image.size[::-1]
