"""Detection data in Pascal VOC's folders."""

import functools
import itertools
import os
import pathlib
from collections.abc import Sequence

import numpy as np

from vision_jax.data.errors import DataError
from vision_jax.data.files import (
  files_hash,
  files_in,
  find_images,
  nfc,
  read_image,
)
from vision_jax.data.pickled import AsMade, Lock
from vision_jax.data.source import Example
from vision_jax.data.sources.box_check import BoxCheck
from vision_jax.data.sources.class_names import labels_of, some
from vision_jax.data.sources.voc_file import (
  Annotation,
  parse,
  read_list,
  xml_of,
)
from vision_jax.data.transforms.boxes import to_fractions


class VocSource(AsMade):
  """Images with boxes from JPEGImages, Annotations and ImageSets/Main.

  An example has `image`, encoded, `boxes` (n, 4) cxcywh in [0, 1], `label`
  (n,), `ignore` (n,), 1 for difficult objects, and `size` (2,).

  Args:
    root: folder with those three folders; names in lists must not leave it.
    split: name of a list in ImageSets/Main, such as "train", or "" for all
      annotations that there are; they are checked as a whole on first use.
    class_names: names in the order of the labels; () reads the sorted names
      from all of the split's annotations.
    on_bad_box, exact: see `BoxCheck`.
    one_based: whether corners count pixels from 1 and include the last one, as
      the challenge's own files do; most tools write plain coordinates.
    images: folder of the images; None for JPEGImages in the root.
    annotations: folder of the annotations; None for Annotations in the root.
    lists: folder of the lists; None for ImageSets/Main in the root.

  Raises:
    DataError: on first use, if a file is missing or is no annotation, a class
      is unknown or a box is wrong: naming the file and the object.
  """

  def __init__(
    self,
    root: str | os.PathLike[str],
    split: str,
    class_names: Sequence[str] = (),
    *,
    on_bad_box: str = "error",
    exact: bool = False,
    one_based: bool = False,
    images: str | os.PathLike[str] | None = None,
    annotations: str | os.PathLike[str] | None = None,
    lists: str | os.PathLike[str] | None = None,
  ):
    self.root, self.split = pathlib.Path(root), split
    self.annotations = pathlib.Path(annotations or self.root / "Annotations")
    self.lists = pathlib.Path(lists or self.root / "ImageSets" / "Main")
    self.images = pathlib.Path(images or self.root / "JPEGImages")
    self.check = BoxCheck(on_bad_box, exact)
    self._given, self._one_based = tuple(class_names), one_based
    self._lock = Lock()

  @functools.cached_property
  def stems(self) -> list[str]:
    """Names of the split's images, in the list's order."""
    if not self.split:
      return sorted(path.stem for path in files_in(self.annotations, ".xml"))
    path = self.lists / f"{self.split}.txt"
    return read_list(self.root, path, self.annotations)

  @property
  def files(self) -> list[pathlib.Path]:
    """Each image's path; where there is none, that of its name."""
    with self._lock:
      found = zip(self._image_files, self.stems, strict=True)
      return [path or self.images / f"{stem}.jpg" for path, stem in found]

  def paths(self) -> list[str]:
    """Returns each image's name, without suffix."""
    return list(self.stems)

  @property
  def _where(self) -> str:
    if self.split:
      return f"VOC list {self.split}"
    return f"VOC folder {self.annotations}"

  @functools.cached_property
  def _files(self) -> list[pathlib.Path]:
    root, folder, where = self.root, self.annotations, self._where
    return [xml_of(root, folder, stem, where) for stem in self.stems]

  @functools.cached_property
  def _annotations(self) -> list[Annotation]:
    return [parse(path) for path in self._files]

  @functools.cached_property
  def class_names(self) -> tuple[str, ...]:
    """Names in the order of the labels."""
    if self._given:
      return self._given
    with self._lock:
      names = {n for a in self._annotations for n in a.names}
    if not names:
      raise DataError(
        f"VOC folder {self.root}: {self._where} has no objects; "
        "expected at least one. Check the split, or name the classes."
      )
    return tuple(sorted(names))

  @property
  def num_classes(self) -> int:
    """Number of classes."""
    return len(self.class_names)

  def __len__(self) -> int:
    return len(self.stems)

  def read(self, indices: np.ndarray) -> list[Example]:
    """Returns examples with encoded images."""
    return [self._example(int(i)) for i in indices]

  def fingerprint(self) -> str:
    """Returns a hash of both files' names, sizes and times of change."""
    root = pathlib.Path(os.path.abspath(self.root))  # as those files' paths
    annotations = files_hash(root, self._files, self.class_names)
    with self._lock:
      files = [path for path in self._image_files if path is not None]
    return files_hash(self.images, files, annotations)

  @functools.cached_property
  def _checked(self) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The columns of all boxes, and where each image's start."""
    annotations, name = self._annotations, self._where
    count = [len(a.names) for a in annotations]
    image = np.repeat(np.arange(len(count)), count)
    first = np.repeat(np.cumsum([0, *count])[:-1], count)
    where = lambda j: f"{self._files[image[j]]}: box {j - first[j]}"
    chain = lambda key: [x for a in annotations for x in getattr(a, key)]
    boxes = np.array(chain("boxes"), np.float64).reshape(-1, 4)
    if self._one_based:
      boxes[:, :2] -= 1
    size = np.array([a.size for a in annotations])[image]
    labels = self._labels()
    boxes, kept = self.check(boxes, size, name, where)
    columns = {
      "boxes": to_fractions(boxes, size[kept]),
      "label": labels[kept],
      "ignore": np.array(chain("difficult"), np.float32)[kept],
    }
    return columns, np.searchsorted(image[kept], np.arange(len(count) + 1))

  def _labels(self) -> np.ndarray:
    """The label of each object of the split."""
    labels = labels_of(self.class_names)
    for path, annotation in zip(self._files, self._annotations, strict=True):
      for i, name in enumerate(annotation.names):
        if name not in labels:
          raise DataError(
            f"{path}: object {i} is of the class {name!r}; expected one of "
            f"{some(labels)}. Correct the annotation or --config.class_names."
          )
    names = itertools.chain(*(a.names for a in self._annotations))
    return np.array([labels[name] for name in names], np.int32)

  @functools.cached_property
  def _image_files(self) -> list[pathlib.Path | None]:
    """Each image's path, None where there is none."""
    named = find_images(self.images).all_by_stem()
    return [
      self._choose(stem, named.get(nfc(stem), []), annotation.filename)
      for stem, annotation in zip(self.stems, self._annotations, strict=True)
    ]

  def _choose(
    self, stem: str, paths: list[pathlib.Path], filename: str
  ) -> pathlib.Path | None:
    """Returns the one that the annotation names, where several could be it."""
    named = [p for p in paths if p.name == pathlib.PurePath(filename).name]
    if len(paths) > 1 and not named:
      raise DataError(
        f"VOC folder {self.images}: {some(p.name for p in paths)} are all "
        f"called {stem}, and the <filename> of its annotation, {filename!r}, "
        "is none of them; expected it to say which. Correct it, or remove the "
        "others."
      )
    return (named or paths or [None])[0]

  def _ready(
    self,
  ) -> tuple[dict[str, np.ndarray], np.ndarray, list[pathlib.Path | None]]:
    with self._lock:  # checked once, and warned of once
      return (*self._checked, self._image_files)

  def _example(self, i: int) -> Example:
    columns, start, files = self._ready()
    boxes = {k: x[start[i] : start[i + 1]] for k, x in columns.items()}
    path = files[i] or self.images / f"{self.stems[i]}.jpg"
    return {
      "name": str(path),
      "image": read_image(path),
      "size": np.array(self._annotations[i].size, np.int32),
    } | boxes
