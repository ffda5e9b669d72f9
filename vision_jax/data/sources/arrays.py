"""Data sets that are arrays: in memory, or in an npz file."""

import functools
import os
import pathlib
import zipfile
import zlib
from collections.abc import Mapping

import numpy as np

from vision_jax.data.errors import DataError, some
from vision_jax.data.pickled import AsMade
from vision_jax.data.source import short_hash

# What numpy and zipfile raise for files that are broken, a claim of more
# elements than there is memory among them.
_UNREADABLE = (
  *(OSError, EOFError, ValueError, OverflowError, RuntimeError, MemoryError),
  *(KeyError, zipfile.BadZipFile, zlib.error),
)


class ArraySource(AsMade):
  """Examples from arrays with one leading axis.

  Args:
    arrays: `image` (n h w c), see `scaled`; `label`, classes (n,), integers
      that become int32, or indicators (n, k) in [0, 1] of several classes
      each, which become float32; and others (n, ...).
    num_classes: k: classes have to lie below it; None does not check.
    class_names: names in the order of the labels.

  Raises:
    DataError: on first use, if lengths, shapes, pixels or labels do not fit.
  """

  def __init__(
    self,
    arrays: Mapping[str, np.ndarray],
    num_classes: int | None = None,
    class_names: tuple[str, ...] = (),
  ):
    self._given = arrays
    self.num_classes = num_classes or len(class_names) or None
    self.class_names = tuple(class_names)

  def load(self) -> Mapping[str, np.ndarray]:
    """Returns the arrays; called once, on first use."""
    return self._given

  @functools.cached_property
  def arrays(self) -> dict[str, np.ndarray]:
    """The checked arrays."""
    arrays = {key: np.asarray(x) for key, x in self.load().items()}
    _check_shapes(arrays)
    if "image" in arrays:
      arrays["image"] = scaled(arrays["image"])
    if "label" in arrays:
      several = arrays["label"].ndim > 1 and "boxes" not in arrays
      check = _check_indicators if several else _check_label
      arrays["label"] = check(arrays["label"], self.num_classes)
    return arrays

  def __len__(self) -> int:
    return len(next(iter(self.arrays.values())))

  def gather(self, indices: np.ndarray) -> dict[str, np.ndarray]:
    """Returns the examples at `indices` as new arrays (b, ...)."""
    return {k: np.take(x, indices, axis=0) for k, x in self.arrays.items()}

  def labels(self) -> np.ndarray:
    """Returns all labels, (n,) or (n, k)."""
    return self.arrays["label"]

  def fingerprint(self) -> str:
    """Returns a hash of the content."""
    arrays = self.arrays
    return short_hash(
      *(part for k in sorted(arrays) for part in (k, arrays[k]))
    )


class NpzSource(ArraySource):
  """Examples from an npz file.

  Args:
    path: the file.
    keys: our key -> the file's, such as {"image": "x_train"}; None takes all
      arrays under their own names.
    num_classes, class_names: as for `ArraySource`.
  """

  def __init__(
    self,
    path: str | os.PathLike[str],
    keys: Mapping[str, str] | None = None,
    num_classes: int | None = None,
    class_names: tuple[str, ...] = (),
  ):
    super().__init__({}, num_classes, class_names)
    self.path, self.keys = pathlib.Path(path), keys

  def load(self) -> Mapping[str, np.ndarray]:
    """Reads the file."""
    if not self.path.is_file():
      raise DataError(f"npz file {self.path}: it does not exist.")
    try:
      with _open(self.path) as file:
        keys = self.keys or {key: key for key in file.files}
        missing = sorted(set(keys.values()) - set(file.files))
        if missing:
          raise DataError(
            f"npz file {self.path}: has no array {some(missing)}; it has "
            f"{some(file.files) or 'none'}. Name them in `keys`."
          )
        return {ours: file[theirs] for ours, theirs in keys.items()}
    except _UNREADABLE as error:
      if isinstance(error, DataError):
        raise
      raise DataError(
        f"npz file {self.path}: cannot be read ({error}); expected arrays "
        "saved by numpy.savez, whole and without pickled objects."
      ) from error


def scaled(image: np.ndarray) -> np.ndarray:
  """Returns pixels as uint8, or as float32 in [0, 1].

  Whole numbers of any type in 0 ... 255 become uint8, and booleans 0 and 255.
  Floats in [0, 1] are kept; other floats up to 255 are divided by it.

  Raises:
    DataError: for other ranges and types, which say no brightness.
  """
  if image.dtype == np.uint8 or not image.size:
    return image
  if image.dtype == bool:
    return image.astype(np.uint8) * 255
  real = np.issubdtype(image.dtype, np.integer)
  real |= np.issubdtype(image.dtype, np.floating)
  low, high = (image.min(), image.max()) if real else (np.nan, np.nan)
  if not (low >= 0 and high <= 255):  # NaN is neither
    raise DataError(
      f"arrays: image has the type {image.dtype} and values from {low} to "
      f"{high}; expected 0 to 255 of any type, or floats from 0 to 1. Scale "
      "it, as in image / 257 for 16 bits or (image + 1) / 2 for -1 to 1."
    )
  if np.issubdtype(image.dtype, np.integer):
    return image.astype(np.uint8)
  if high <= 1:
    return image.astype(np.float32)
  whole = image.astype(np.uint8)
  if np.array_equal(whole, image):
    return whole
  return image.astype(np.float32) / np.float32(255)


def _open(path: pathlib.Path) -> np.lib.npyio.NpzFile:
  """Opens an npz file."""
  file = np.load(path, allow_pickle=False)
  if isinstance(file, np.ndarray):
    raise DataError(
      f"npz file {path}: is one array, without names; expected several, saved "
      "by numpy.savez(path, image=..., label=...)."
    )
  return file


def _check_shapes(arrays: Mapping[str, np.ndarray]) -> None:
  lengths = {k: x.shape[0] if x.ndim else None for k, x in arrays.items()}
  if len(set(lengths.values())) != 1 or None in lengths.values():
    raise DataError(
      f"arrays: got lengths {lengths}; expected at least one array, all with "
      "the same leading axis."
    )
  image = arrays.get("image")
  if image is not None and image.ndim != 4:
    raise DataError(
      f"arrays: image has shape {image.shape}; expected (n, h, w, c). Grey "
      "images need image[..., None]."
    )


def _check_label(label: np.ndarray, num_classes: int | None) -> np.ndarray:
  """Returns the labels as int32."""
  if not np.issubdtype(label.dtype, np.integer):
    raise DataError(
      f"arrays: label has dtype {label.dtype}; expected integers."
    )
  bad = label < 0
  if num_classes is not None:
    bad |= label >= num_classes
  if bad.any():
    where = tuple(int(i) for i in np.argwhere(bad)[0])
    raise DataError(
      f"arrays: {int(bad.sum())} labels out of range, the first {label[where]} "
      f"at {where[0]}; expected 0 to "
      f"{num_classes - 1 if num_classes else 'the number of classes'}. Correct "
      "the labels or num_classes."
    )
  return label.astype(np.int32)


def _check_indicators(label: np.ndarray, num_classes: int | None) -> np.ndarray:
  """Returns labels of several classes each, (n, k), as float32."""
  k = num_classes or label.shape[1]
  number = label.dtype == bool or np.issubdtype(label.dtype, np.number)
  fits = number and not np.iscomplexobj(label) and label.shape[1:] == (k,)
  if not fits or (label.size and not (label.min() >= 0 and label.max() <= 1)):
    raise DataError(
      f"arrays: label has the type {label.dtype} and the shape {label.shape}; "
      f"expected classes (n,), or indicators (n, {k}) from 0 to 1. Classes in "
      "a column need label[:, 0]."
    )
  return label.astype(np.float32)
