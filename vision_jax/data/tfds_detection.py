"""Prepared TFDS sets with boxes, read without TensorFlow."""

import io
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image

from vision_jax.data.boxes import BoxCheck, to_fractions
from vision_jax.data.reading import reading
from vision_jax.data.source import Example
from vision_jax.data.tfds import TfdsSource


class TfdsDetection:
  """A split of a TFDS set whose feature `objects` has `bbox` and `label`.

  An example has `image`, encoded, `boxes` (n, 4) cxcywh in [0, 1], `label` (n,)
  and `size` (2,), and `crowd` (n,) where the objects have `is_crowd`.

  Args:
    name, split, data_dir: as for `TfdsSource`.
    on_bad_box: see `BoxCheck`.
  """

  def __init__(
    self,
    name: str,
    split: str,
    data_dir: str | os.PathLike[str] | None = None,
    *,
    on_bad_box: str = "error",
  ):
    keys = {"image": "image", "objects": "objects"}
    self._source = TfdsSource(name, split, data_dir, keys)
    self.check = BoxCheck(on_bad_box)

  @property
  def class_names(self) -> tuple[str, ...]:
    """Names in the order of the labels."""
    return tuple(self._source.feature("objects")["label"].names)

  @property
  def num_classes(self) -> int:
    """Number of classes."""
    return len(self.class_names)

  def __len__(self) -> int:
    return len(self._source)

  def read(self, indices: np.ndarray) -> list[Example]:
    """Returns examples with encoded images."""
    return [self._example(row) for row in self._source.read(indices)]

  def fingerprint(self) -> str:
    """Of the prepared set."""
    return self._source.fingerprint()

  def _example(self, row: Mapping[str, Any]) -> Example:
    objects = row["objects"].item()
    size = _size(row["image"], row["name"])
    yxyx = np.asarray(objects["bbox"], np.float64).reshape(-1, 4)
    h, w = size
    pixels = yxyx[:, [1, 0, 3, 2]] * [w, h, w, h]
    boxes, kept = self.check(pixels, size, row["name"])
    example = {
      "name": row["name"],
      "image": row["image"],
      "boxes": to_fractions(boxes, size),
      "label": np.asarray(objects["label"], np.int32).reshape(-1)[kept],
      "size": np.array(size, np.int32),
    }
    if "is_crowd" in objects:
      crowd = np.asarray(objects["is_crowd"], np.float32).reshape(-1)
      example["crowd"] = crowd[kept]
    return example


def _size(data: bytes, name: str) -> tuple[int, int]:
  """Returns (height, width) of an encoded image."""
  with reading(name, data), Image.open(io.BytesIO(data)) as image:
    return image.size[::-1]
