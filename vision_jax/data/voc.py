"""Detection data in Pascal VOC's folders."""

import functools
import os
import pathlib
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from vision_jax.data.boxes import BoxCheck, to_fractions
from vision_jax.data.errors import BadImage, DataError
from vision_jax.data.source import Example, short_hash


class _Annotation(NamedTuple):
  size: tuple[int, int]
  names: tuple[str, ...]
  boxes: list[list[float]]
  difficult: list[float]


class VocSource:
  """Images with boxes from JPEGImages, Annotations and ImageSets/Main.

  An example has `image`, encoded, `boxes` (n, 4) cxcywh in [0, 1], `label`
  (n,), `ignore` (n,), 1 for difficult objects, and `size` (2,).

  Args:
    root: folder with those three folders.
    split: name of a list in ImageSets/Main, such as "train".
    class_names: in the order of the labels; () reads the sorted names from all
      of the split's annotations.
    on_bad_box: see `BoxCheck`.
    one_based: whether corners count pixels from 1 and include the last one, as
      the challenge's own files do; most tools write plain coordinates.

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
    one_based: bool = False,
  ):
    self.root, self.split = pathlib.Path(root), split
    self.check = BoxCheck(on_bad_box)
    self._given, self._one_based = tuple(class_names), one_based
    self._parsed: dict[str, _Annotation] = {}

  @functools.cached_property
  def stems(self) -> list[str]:
    """Names of the split's images, in the list's order."""
    path = self.root / "ImageSets" / "Main" / f"{self.split}.txt"
    if not path.is_file():
      have = sorted(p.stem for p in path.parent.glob("*.txt"))
      raise DataError(
        f"VOC folder {self.root}: has no list {path}; it has "
        f"{', '.join(have) or 'none'}. Check --config.data_dir and the split."
      )
    # A class's own list has a second column, -1, 0 or 1.
    lines = path.read_text().splitlines()
    stems = [line.split()[0] for line in lines if line.strip()]
    if not stems:
      raise DataError(f"VOC list {path}: is empty; expected a name a line.")
    return stems

  @functools.cached_property
  def class_names(self) -> tuple[str, ...]:
    """Names in the order of the labels."""
    if self._given:
      return self._given
    names = {n for stem in self.stems for n in self._annotation(stem).names}
    if not names:
      raise DataError(
        f"VOC folder {self.root}: the list {self.split} has no objects; "
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
    return [self._example(self.stems[i]) for i in indices]

  def fingerprint(self) -> str:
    """Returns a hash of the images' names, and the annotations' text."""
    files = [self._xml(stem) for stem in self.stems]
    return short_hash(
      self.class_names,
      [(p.name, p.stat().st_size, p.stat().st_mtime_ns) for p in files],
    )

  def _xml(self, stem: str) -> pathlib.Path:
    return self.root / "Annotations" / f"{stem}.xml"

  def _annotation(self, stem: str) -> _Annotation:
    if stem not in self._parsed:
      self._parsed[stem] = _parse(self._xml(stem))
    return self._parsed[stem]

  def _example(self, stem: str) -> Example:
    path, annotation = self._xml(stem), self._annotation(stem)
    boxes = np.asarray(annotation.boxes, np.float64).reshape(-1, 4)
    if self._one_based:
      boxes[:, :2] -= 1
    boxes, kept = self.check(boxes, annotation.size, str(path))
    label = [self._label(name, i, path) for i, name in enumerate(annotation[1])]
    return {
      "name": str(path),
      "image": self._image(stem),
      "boxes": to_fractions(boxes, annotation.size),
      "label": np.array(label, np.int32)[kept],
      "ignore": np.array(annotation.difficult, np.float32)[kept],
      "size": np.array(annotation.size, np.int32),
    }

  def _label(self, name: str, i: int, path: pathlib.Path) -> int:
    if name not in self.class_names:
      raise DataError(
        f"{path}: object {i} is of the class {name!r}; expected one of "
        f"{', '.join(self.class_names)}. Correct the annotation or "
        "--config.class_names."
      )
    return self.class_names.index(name)

  def _image(self, stem: str) -> bytes:
    for suffix in (".jpg", ".jpeg", ".png", ".JPG"):
      path = self.root / "JPEGImages" / f"{stem}{suffix}"
      if path.is_file():
        return path.read_bytes()
    place = self.root / "JPEGImages" / f"{stem}.jpg"
    raise BadImage(str(place), "does not exist")


def _parse(path: pathlib.Path) -> _Annotation:
  """Reads one annotation."""
  try:
    root = ElementTree.parse(path).getroot()
  except (OSError, ElementTree.ParseError) as error:
    raise DataError(
      f"VOC annotation {path}: cannot be read ({error}); expected a file of "
      "VOC's XML for each image of the list."
    ) from error
  objects = root.findall("object")
  numbers = lambda element, place, keys: [
    _number(element, f"{place}/{key}", path) for key in keys
  ]
  corners = ("xmin", "ymin", "xmax", "ymax")
  height, width = numbers(root, "size", ("height", "width"))
  return _Annotation(
    (int(height), int(width)),
    tuple((o.findtext("name") or "").strip() for o in objects),
    [numbers(o, "bndbox", corners) for o in objects],
    [float((o.findtext("difficult") or "0").strip() == "1") for o in objects],
  )


def _number(element, key: str, path: pathlib.Path) -> float:
  text = element.findtext(key)
  try:
    return float(text)
  except (TypeError, ValueError):
    raise DataError(
      f"VOC annotation {path}: <{element.tag}> has {key} {text!r}; expected a "
      "number."
    ) from None
