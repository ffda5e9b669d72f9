"""Detection data in COCO's json."""

import functools
import logging
import os
import pathlib
from collections.abc import Sequence

import numpy as np

from vision_jax.data.errors import DataError
from vision_jax.data.files import files_hash, read_image
from vision_jax.data.pickled import AsMade, Lock
from vision_jax.data.places import place_inside
from vision_jax.data.rle import Rle, checked
from vision_jax.data.source import Example
from vision_jax.data.sources.box_check import BoxCheck
from vision_jax.data.sources.class_names import labels_of
from vision_jax.data.sources.coco_file import CocoFile, Id, read_coco
from vision_jax.data.transforms.boxes import to_fractions

_LOG = logging.getLogger(__name__)
# Each image's path, the columns of all boxes, and where an image starts.
_Boxes = tuple[list[pathlib.Path], dict[str, np.ndarray], np.ndarray]


class CocoSource(AsMade):
  """Images with boxes from a json file of COCO's form.

  Categories become labels by their names, so that files which number them
  otherwise, or lack some, give the same labels. An example has `image`,
  encoded, `boxes` (n, 4) cxcywh in [0, 1], `label`, `crowd`, `area` (n,) and
  `size` (2,), and with masks `rle` (n,), the run lengths of each. Images
  without boxes are examples too.

  Args:
    annotations: the json file; it is checked as a whole on first use.
    images: the folder of the images.
    class_names: names in the order of the labels; () takes those of the file
      that have annotations, in the order of their ids.
    on_bad_box, exact: see `BoxCheck`.
    root: the folder that file names must not leave; None for `images`.
    masks: whether each box has the mask of its object; what `on_bad_box` does
      with boxes it does with what is no mask, but for "clip", which raises.

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
  ):
    self.path, self.folder = pathlib.Path(annotations), pathlib.Path(images)
    self.root = pathlib.Path(root or images)
    self.check = BoxCheck(on_bad_box, exact)
    self._given, self._lock = tuple(class_names), Lock()
    self._masks = masks

  @property
  def _file(self) -> CocoFile:
    return read_coco(self.path, self._masks)

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
    masks = self._rle(kept, size, name) if self._masks else {}
    there = np.array([not masks or j in masks for j in kept], bool)
    boxes, kept = boxes[there], kept[there]
    order = np.argsort(file.image[kept], kind="stable")
    kept, boxes = kept[order], boxes[order]
    columns = {
      "boxes": to_fractions(boxes, size[kept]),
      "label": np.array([label[file.category[j]] for j in kept], np.int32),
      "crowd": file.crowd[kept],
      "area": file.area[kept],
    }
    if self._masks:
      columns["rle"] = np.array([masks[j] for j in kept], object)
    paths = [
      place_inside(self.root, self.folder, n, f"{name}: images[{i}]")
      for i, n in enumerate(file.file_names)
    ]
    count = np.arange(len(paths) + 1)
    return paths, columns, np.searchsorted(file.image[kept], count)

  def _rle(
    self, kept: np.ndarray, size: np.ndarray, name: str
  ) -> dict[int, Rle]:
    """Returns place -> run lengths of the annotations that have a mask."""
    masks, bad = {}, {}
    for j in kept.tolist():
      found = checked(self._file.segmentation[j], tuple(size[j].tolist()))
      if isinstance(found, str):
        bad[j] = f"annotations[{j}] {found}"
      else:
        masks[j] = found
    if bad and self.check.on_bad_box != "drop":
      raise DataError(
        f"{name}: {next(iter(bad.values()))}; expected the mask of its object. "
        "Correct the annotation, or pass --config.on_bad_box=drop."
      )
    if bad:
      _LOG.warning(
        "%s: %d of %d objects were left out, which have no mask, such as: %s.",
        *(name, len(bad), len(kept), next(iter(bad.values()))),
      )
    return masks

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
