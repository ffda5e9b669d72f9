"""Data sets that are arrays: in memory, or in an npz file."""

import functools
import os
import pathlib
import zipfile
from collections.abc import Mapping

import numpy as np

from vision_jax.data.errors import DataError
from vision_jax.data.source import short_hash


class ArraySource:
  """Examples from arrays with one leading axis.

  Args:
    arrays: `image` (n h w c) uint8, or float in [0,1]; `label` (n,) integers,
      which become int32; and others (n, ...).
    num_classes: labels have to lie in [0, num_classes); None does not check.
    class_names: in the order of the labels.

  Raises:
    DataError: on first use, if lengths, shapes or labels do not fit.
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
    if "label" in arrays:
      arrays["label"] = _check_label(arrays["label"], self.num_classes)
    return arrays

  def __len__(self) -> int:
    return len(next(iter(self.arrays.values())))

  def gather(self, indices: np.ndarray) -> dict[str, np.ndarray]:
    """Returns the examples at `indices` as new arrays (b, ...)."""
    return {k: np.take(x, indices, axis=0) for k, x in self.arrays.items()}

  def labels(self) -> np.ndarray:
    """Returns all labels (n,)."""
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
      with np.load(self.path, allow_pickle=False) as file:
        keys = self.keys or {key: key for key in file.files}
        missing = sorted(set(keys.values()) - set(file.files))
        if missing:
          raise DataError(
            f"npz file {self.path}: has no array {', '.join(missing)}; it has "
            f"{', '.join(file.files) or 'none'}. Name them in `keys`."
          )
        return {ours: file[theirs] for ours, theirs in keys.items()}
    except (OSError, EOFError, ValueError, zipfile.BadZipFile) as error:
      if isinstance(error, DataError):
        raise
      raise DataError(
        f"npz file {self.path}: cannot be read ({error}); expected arrays "
        "saved by numpy.savez, without pickled objects."
      ) from error


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
