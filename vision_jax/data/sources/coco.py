"""Detection data in COCO's json."""

import functools
import logging
import os
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from vision_jax.data.errors import DataError
from vision_jax.data.files import files_hash, read_image
from vision_jax.data.pickled import AsMade, Lock
from vision_jax.data.places import place_inside
from vision_jax.data.rle import checked
from vision_jax.data.source import Example
from vision_jax.data.sources.box_check import BoxCheck
from vision_jax.data.sources.class_names import labels_of
from vision_jax.data.sources.coco_file import CocoFile, Id, read_coco
from vision_jax.data.sources.coco_keypoints import (
  Keypoints,
  keypoints_of,
  points_of,
)
from vision_jax.data.transforms.boxes import to_fractions

_LOG = logging.getLogger(__name__)
# Each image's path, the columns of all boxes, and where an image starts.
_Boxes = tuple[list[pathlib.Path], dict[str, np.ndarray], np.ndarray]


class CocoSource(AsMade):
  """Images with boxes from a json file of COCO's form.

  Categories become labels by their names, so that files which number them
  otherwise, or lack some, give the same labels. An example has `image`,
  encoded, `boxes` (n, 4) cxcywh in [0, 1], `label`, `crowd`, `area` (n,) and
  `size` (2,); with masks `rle` (n,), the run lengths of each; with keypoints
  `keypoints` (n, j, 3), x and y in [0, 1] of the image and the visibility, 0
  where one is not labelled. Images without boxes are examples too.

  Args:
    annotations: the json file; it is checked as a whole on first use.
    images: the folder of the images.
    class_names: names in the order of the labels; () takes those of the file
      that have annotations, in the order of their ids.
    on_bad_box, exact: see `BoxCheck`.
    root: the folder that file names must not leave; None for `images`.
    masks: whether each box has the mask of its object; what `on_bad_box` does
      with boxes it does with what is no mask, but for "clip", which raises.
    keypoints: the names of an object's keypoints, in order, () for those of the
      file; None for no keypoints. What is none is treated as what is no mask.

  Raises:
    DataError: on first use, if the file is no such json, its ids do not fit, a
      category is none of the classes or a box is wrong: naming the file and
      the entry.
  """

  def __init__(
    self,
    annotations: str | os.PathLike[str],
    images: str | os.PathLike[str],
    class_names: Sequence[str] = (),
    *,
    on_bad_box: str = "error",
    exact: bool = False,
    root: str | os.PathLike[str] | None = None,
    masks: bool = False,
    keypoints: Sequence[str] | None = None,
  ):
    self.path, self.folder = pathlib.Path(annotations), pathlib.Path(images)
    self.root = pathlib.Path(root or images)
    self.check = BoxCheck(on_bad_box, exact)
    self._given, self._lock = tuple(class_names), Lock()
    self._masks, self._keypoints = masks, keypoints

  @property
  def _file(self) -> CocoFile:
    asked = {
      "segmentation": self._masks,
      "keypoints": self._keypoints is not None,
    }
    return read_coco(
      self.path, tuple(k for k, wanted in asked.items() if wanted)
    )

  @functools.cached_property
  def class_names(self) -> tuple[str, ...]:
    """Names in the order of the labels."""
    return self._given or self._file.class_names

  @property
  def num_classes(self) -> int:
    """Number of classes."""
    return len(self.class_names)

  @functools.cached_property
  def category_ids(self) -> tuple[Id | None, ...]:
    """The file's category id of each label; None where it lacks the class."""
    labels_of(self.class_names)
    return self._file.ids_of(self.class_names)

  @functools.cached_property
  def image_ids(self) -> tuple[Id, ...]:
    """The file's id of each example."""
    return self._file.image_ids

  @functools.cached_property
  def kind(self) -> Keypoints:
    """What the keypoints of the objects are."""
    return keypoints_of(self._file, self._keypoints or ())

  def labelled(self) -> np.ndarray:
    """Returns how many keypoints of each image are labelled, (m,)."""
    paths, columns, start = self._ready()
    each = (columns["keypoints"][..., 2] > 0).sum(-1)
    image = np.repeat(np.arange(len(paths)), np.diff(start))
    return np.bincount(image, each, len(paths)).astype(np.int64)

  @functools.cached_property
  def _checked(self) -> _Boxes:
    """Each image's path, the columns of all boxes, and where an image starts.

    Boxes are sorted by image; those of image i are start[i] to start[i + 1].
    """
    file, name = self._file, f"COCO file {self.path}"
    label = {c: i for i, c in enumerate(self.category_ids) if c is not None}
    if file.malformed and self.check.on_bad_box != "drop":
      j, shown = next(iter(file.malformed.items()))
      raise DataError(
        f"{name}: annotations[{j}] has bbox {shown}; expected [x, y, width, "
        "height]. Correct the annotation, or pass --config.on_bad_box=drop."
      )
    corners = file.boxes.copy()
    corners[:, 2:] += corners[:, :2]
    size = file.size[file.image]
    where = lambda j: f"{name}: annotations[{j}]"
    boxes, kept = self.check(corners, size, name, where)
    more = self._more(kept, size, name)
    there = np.array([all(j in x for x in more.values()) for j in kept], bool)
    boxes, kept = boxes[there], kept[there]
    order = np.argsort(file.image[kept], kind="stable")
    kept, boxes = kept[order], boxes[order]
    columns = {
      "boxes": to_fractions(boxes, size[kept]),
      "label": np.array([label[file.category[j]] for j in kept], np.int32),
      "crowd": file.crowd[kept],
      "area": file.area[kept],
    }
    if "segmentation" in more:
      masks = [more["segmentation"][j] for j in kept]
      columns["rle"] = np.array(masks, object)
    if "keypoints" in more:
      shape = (len(kept), len(self.kind.names), 3)
      points = np.reshape([more["keypoints"][j] for j in kept], shape)
      whole = np.insert(size[kept][:, ::-1], 2, 1, axis=1)
      columns["keypoints"] = (points / whole[:, None]).astype(np.float32)
    paths = [
      place_inside(self.root, self.folder, n, f"{name}: images[{i}]")
      for i, n in enumerate(file.file_names)
    ]
    count = np.arange(len(paths) + 1)
    return paths, columns, np.searchsorted(file.image[kept], count)

  def _more(
    self, kept: np.ndarray, size: np.ndarray, name: str
  ) -> dict[str, dict[int, Any]]:
    """Returns key -> what `_each` does of masks and keypoints, if asked for."""
    more, each = {}, functools.partial(self._each, kept.tolist(), name)
    if self._masks:
      mask = lambda given, j: checked(given, tuple(size[j].tolist()))
      more["segmentation"] = each("segmentation", mask, "the mask")
    if self._keypoints is not None:
      kind = self.kind
      points = lambda given, j: points_of(given, kind)
      wanted = "x, y and visibility of each keypoint"
      more["keypoints"] = each("keypoints", points, wanted)
    return more

  def _each(
    self,
    places: Sequence[int],
    name: str,
    key: str,
    check: Callable[[object, int], Any],
    wanted: str,
  ) -> dict[int, Any]:
    """Returns place -> value of the annotations that have one.

    Args:
      places: of the annotations.
      name: what messages call the file.
      key: of the annotations' entries.
      check: (entry, place) -> its value, or what is wrong with it.
      wanted: what is expected of an object.
    """
    values, bad = {}, {}
    for j in places:
      found = check(self._file.columns[key][j], j)
      if isinstance(found, str):
        bad[j] = f"annotations[{j}] {found}"
      else:
        values[j] = found
    if bad and self.check.on_bad_box != "drop":
      raise DataError(
        f"{name}: {next(iter(bad.values()))}; expected {wanted} of its object. "
        "Correct the annotation, or pass --config.on_bad_box=drop."
      )
    if bad:
      _LOG.warning(
        "%s: %d of %d objects were left out, which have no %s, such as: %s.",
        *(name, len(bad), len(places), key, next(iter(bad.values()))),
      )
    return values

  def _ready(self) -> _Boxes:
    with self._lock:  # checked once, and warned of once
      return self._checked

  def __len__(self) -> int:
    return len(self._ready()[0])

  @property
  def files(self) -> list[pathlib.Path]:
    """Each image's path."""
    return self._ready()[0]

  def paths(self) -> list[str]:
    """Returns each image's name in the file, as in "a/1.jpg"."""
    return list(self._file.file_names)

  def read(self, indices: np.ndarray) -> list[Example]:
    """Returns examples with encoded images."""
    return [self._example(int(i)) for i in indices]

  def fingerprint(self) -> str:
    """Returns a hash of the json, and of the images' sizes and times."""
    root = pathlib.Path(os.path.abspath(self.root))  # as those files' paths
    return files_hash(root, self._ready()[0], self.path.read_bytes())

  def _example(self, i: int) -> Example:
    paths, columns, start = self._ready()
    boxes = {k: x[start[i] : start[i + 1]] for k, x in columns.items()}
    return {
      "name": str(paths[i]),
      "image": read_image(paths[i]),
      "size": self._sizes[i],
    } | boxes

  @functools.cached_property
  def _sizes(self) -> np.ndarray:
    return self._file.size
