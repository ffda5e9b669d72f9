"""One's own clouds in an npz: small images with labels, tiles, and masks."""

import functools
import os

import numpy as np

from vision_jax.data.errors import DataError
from vision_jax.data.pickled import AsMade
from vision_jax.data.source import Example, short_hash
from vision_jax.data.sources.arrays import NpzSource, scaled
from vision_jax.data.sources.clouds import CLASS_NAMES

_NEEDED = (
  *("train_images", "train_labels", "test_images", "test_labels"),
  "eval_tiles",
)
# Masks that may be there -> the images that they are of.
_MASKS = {"train_masks": "train_images", "eval_masks": "eval_tiles"}


class CloudFile(AsMade):
  """An npz, checked as it is read, on first use.

  train_images, test_images (n h w c), (n h w 1) or (n h w): of one square size,
  in pixels as `scaled` takes them; grey is copied to three channels.
  train_labels, test_labels (n,) or (n, 1): 0 clear, 1 cloudy.
  eval_tiles (t h w c): no smaller than the images.
  train_masks (n h w), eval_masks (t h w), where there are some: 0 and 1.

  Args:
    path: the file.

  Raises:
    DataError: on first use, naming the array that is missing or of another
      form.
  """

  def __init__(self, path: str | os.PathLike[str]):
    self.path = os.fspath(path)

  @functools.cached_property
  def arrays(self) -> dict[str, np.ndarray]:
    """The checked arrays."""
    found = dict(NpzSource(self.path).load())
    if missing := [key for key in _NEEDED if key not in found]:
      raise self._error(
        missing[0],
        f"is missing; there are {', '.join(sorted(found)) or 'none'}",
      )
    kept = {key: x for key, x in found.items() if key in {*_NEEDED, *_MASKS}}
    for key in ("train_images", "test_images", "eval_tiles"):
      kept[key] = self._images(key, kept[key])
    self._check_sizes(kept)
    for key in ("train", "test"):
      number = len(kept[f"{key}_images"])
      name = f"{key}_labels"
      kept[name] = self._labels(name, kept[name], number)
    for key, images in _MASKS.items():
      if key in kept:
        kept[key] = self._masks(key, kept[key], kept[images].shape[:3])
    return kept

  @property
  def window(self) -> int:
    """Side of the images, in pixels."""
    return self.arrays["train_images"].shape[1]

  @property
  def tile(self) -> tuple[int, int]:
    """Height and width of the tiles, in pixels."""
    return self.arrays["eval_tiles"].shape[1:3]

  @functools.cached_property
  def content(self) -> str:
    """A hash of all arrays."""
    arrays = self.arrays
    return short_hash(*(x for k in sorted(arrays) for x in (k, arrays[k])))

  def cutouts(self, split: str) -> "CloudRows":
    """Returns the images of "train" or "test" with labels, and masks.

    Where there are no masks `target` is the image's label at every pixel.
    """
    return CloudRows(self, f"{split}_images", split)

  def tiles(self) -> "CloudRows":
    """Returns the tiles, with `target` where there are masks."""
    return CloudRows(self, "eval_tiles")

  def _images(self, key: str, image: np.ndarray) -> np.ndarray:
    image = image[..., None] if image.ndim == 3 else image
    if image.ndim != 4 or image.shape[-1] not in (1, 3) or not image.size:
      raise self._error(
        key,
        f"has the shape {image.shape}; expected (n, h, w, 3), or (n, h, w) of "
        "grey ones, and one at least",
      )
    try:
      image = scaled(image)
    except DataError as error:
      raise self._error(key, f"cannot be shown ({error})") from error
    return np.repeat(image, 3, -1) if image.shape[-1] == 1 else image

  def _check_sizes(self, arrays: dict[str, np.ndarray]) -> None:
    h, w = arrays["train_images"].shape[1:3]
    other = arrays["test_images"].shape[1:3]
    if h != w:
      raise self._error("train_images", f"are {h}x{w}; expected squares")
    if other != (h, w):
      raise self._error(
        "test_images",
        f"are {other[0]}x{other[1]}; expected {h}x{w}, as train_images",
      )
    tile = arrays["eval_tiles"].shape[1:3]
    if min(tile) < h:
      raise self._error(
        "eval_tiles",
        f"are {tile[0]}x{tile[1]}; expected {h}x{w} at least, the size of the "
        "images that slide over them",
      )
    kinds = {k: x.dtype for k, x in arrays.items() if x.ndim == 4}
    if len(set(kinds.values())) > 1:
      shown = ", ".join(f"{k} {x}" for k, x in kinds.items())
      raise self._error("images", f"differ in type ({shown}); expected one")

  def _labels(self, key: str, label: np.ndarray, number: int) -> np.ndarray:
    label = label[:, 0] if label.shape[1:] == (1,) else label
    if label.shape != (number,):
      raise self._error(
        key,
        f"has the shape {label.shape}; expected ({number},), one an image",
      )
    label = self._zeros_and_ones(key, label).astype(np.int32)
    if key == "train_labels" and len(np.unique(label)) < 2:
      raise self._error(
        key, f"are all {label[0]}; expected images of both classes"
      )
    return label

  def _masks(
    self, key: str, mask: np.ndarray, shape: tuple[int, ...]
  ) -> np.ndarray:
    mask = mask[..., 0] if mask.shape[3:] == (1,) else mask
    if mask.shape != shape:
      raise self._error(
        key,
        f"has the shape {mask.shape}; expected {shape}, as {_MASKS[key]}",
      )
    return self._zeros_and_ones(key, mask).astype(np.uint8)

  def _zeros_and_ones(self, key: str, x: np.ndarray) -> np.ndarray:
    values = np.unique(x) if x.dtype.kind in "biuf" else ()
    if not len(values) or not np.isin(values, (0, 1)).all():
      shown = [v.item() for v in values[:4]]
      raise self._error(
        key,
        f"has the type {x.dtype} and values {shown}; expected 0 for "
        f"{CLASS_NAMES[0]} and 1 for {CLASS_NAMES[1]}, and no others",
      )
    return x

  def _error(self, key: str, what: str) -> DataError:
    return DataError(
      f"npz file {self.path}: {key} {what}. Save it anew, with numpy.savez."
    )


class CloudRows(AsMade):
  """The images of one of a file's arrays."""

  num_classes = len(CLASS_NAMES)
  class_names = CLASS_NAMES

  def __init__(self, file: CloudFile, images: str, split: str = ""):
    self._file, self._images, self._split = file, images, split

  def __len__(self) -> int:
    return len(self._file.arrays[self._images])

  def fingerprint(self) -> str:
    """Returns a hash of the file's content and the array's name."""
    return short_hash(self._file.content, self._images)

  def labels(self) -> np.ndarray:
    """Returns all labels, (n,) int32; not of tiles."""
    return self._file.arrays[f"{self._split}_labels"]

  def read(self, indices: np.ndarray) -> list[Example]:
    """Returns the examples at `indices`."""
    return [self._example(int(i)) for i in indices]

  @property
  def masked(self) -> bool:
    """Whether there are masks."""
    return self._masks in self._file.arrays

  @property
  def _masks(self) -> str:
    return {images: masks for masks, images in _MASKS.items()}.get(
      self._images, ""
    )

  def _example(self, i: int) -> Example:
    arrays = self._file.arrays
    image = arrays[self._images][i]
    example: Example = {"name": f"{self._images}[{i}]", "image": image}
    if self._split:
      example["label"] = self.labels()[i]
    if self.masked:
      example["target"] = arrays[self._masks][i]
    elif self._split:
      example["target"] = np.full(image.shape[:2], example["label"], np.uint8)
    return example
