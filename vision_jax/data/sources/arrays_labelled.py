"""Images as arrays with labels: npz, MNIST's IDX and CIFAR's binary files."""

import gzip
import pathlib
import zlib
from collections.abc import Sequence

import numpy as np

from vision_jax.data.errors import DataError
from vision_jax.data.sources.arrays import NpzSource, scaled
from vision_jax.data.sources.labelled import Labels
from vision_jax.data.sources.split_images import KeptImages

_SIDE = 32  # of CIFAR's images
_IDX = {1: 0x801, 3: 0x803}  # axes -> the first four bytes, of uint8


def read_npz(path: pathlib.Path, image: str, label: str) -> Labels:
  """Returns images (n h w), (n h w c) and labels (n,), (n, 1) of an npz.

  Raises:
    DataError: if they are none.
  """
  source = NpzSource(path, {"image": image, "label": label})
  arrays = source.load()
  return labelled(f"{path}: {image}", arrays["image"], arrays["label"])


def labelled(
  where: str,
  image: np.ndarray,
  label: np.ndarray,
  names: Sequence[str] = (),
) -> Labels:
  """Returns a table of arrays.

  Args:
    where: what errors call the images.
    image: (n h w) or (n h w c), see `scaled`.
    label: (n,) or (n, 1) whole numbers, or texts.
    names: names of the labels 0, 1, ...; () takes numbers as names.

  Raises:
    DataError: for other shapes, or labels that are none.
  """
  image = image[..., None] if image.ndim == 3 else image
  label = label[:, 0] if label.ndim == 2 and label.shape[1] == 1 else label
  if image.ndim != 4:
    raise DataError(
      f"{where}: has the shape {image.shape}; expected (n, h, w), or (n, h, w, "
      "c) of c channels. Save it so."
    )
  if label.shape != image.shape[:1] or label.dtype.kind not in "iuUSb":
    raise DataError(
      f"{where}: has {len(image)} images and labels of the shape "
      f"{label.shape} and type {label.dtype}; expected a class for each, (n,). "
      "Indicators need label.argmax(1)."
    )
  image = scaled(image)
  if label.dtype.kind in "US":
    return Labels(KeptImages(where, image), [str(x) for x in label])
  if names and (label.min(initial=0) < 0 or label.max(initial=0) >= len(names)):
    raise DataError(
      f"{where}: has labels from {label.min()} to {label.max()}; expected 0 to "
      f"{len(names) - 1}, as there are {len(names)} names. Correct the names."
    )
  given = [names[i] if names else str(int(i)) for i in label]
  return Labels(KeptImages(where, image), given, tuple(names))


def read_idx(
  images: pathlib.Path,
  labels: pathlib.Path,
  names: Sequence[str],
  turned: bool,
) -> Labels:
  """Returns MNIST's images; `turned` exchanges rows and columns, as EMNIST's.

  Raises:
    DataError: if the files are not of this form, or not whole.
  """
  image, label = _idx(images, 3), _idx(labels, 1)
  image = image.swapaxes(1, 2) if turned else image
  known = dict(enumerate(names))
  if names and not set(label.tolist()) <= set(known):
    names = ()
  return labelled(str(images), image, label, names)


def _idx(path: pathlib.Path, axes: int) -> np.ndarray:
  data = _bytes(path)
  head = np.frombuffer(data[: 4 + 4 * axes], ">u4")
  if len(head) != axes + 1 or head[0] != _IDX[axes]:
    raise DataError(
      f"IDX file {path}: begins with {data[:8].hex()}; expected "
      f"{_IDX[axes]:08x} and {axes} lengths, as MNIST's files do. Take the "
      "original."
    )
  shape = tuple(int(n) for n in head[1:])
  body = data[4 + 4 * axes :]
  if len(body) != np.prod(shape, dtype=np.int64):
    raise DataError(
      f"IDX file {path}: has {len(body)} bytes after its head; expected "
      f"{'x'.join(map(str, shape))}. It was cut short: copy it anew."
    )
  return np.frombuffer(body, np.uint8).reshape(shape)


def _bytes(path: pathlib.Path) -> bytes:
  try:
    data = path.read_bytes()
    return gzip.decompress(data) if path.suffix == ".gz" else data
  except (OSError, EOFError, zlib.error) as error:
    raise DataError(
      f"file {path}: cannot be read ({error}); expected a whole file. Copy it "
      "anew."
    ) from error


def read_cifar(
  paths: Sequence[pathlib.Path], head: int, names: Sequence[str]
) -> Labels:
  """Returns CIFAR's images: `head` bytes, the last the label, and planes.

  Raises:
    DataError: if a file is not whole.
  """
  rows = [_records(path, head + 3 * _SIDE**2) for path in paths]
  data = np.concatenate(rows)
  image = data[:, head:].reshape(-1, 3, _SIDE, _SIDE).transpose(0, 2, 3, 1)
  return labelled(str(paths[0].parent), image, data[:, head - 1], names)


def _records(path: pathlib.Path, size: int) -> np.ndarray:
  data = np.frombuffer(_bytes(path), np.uint8)
  if not len(data) or len(data) % size:
    raise DataError(
      f"CIFAR file {path}: has {len(data)} bytes; expected a multiple of "
      f"{size}. It was cut short, or is another version: take the binary one."
    )
  return data.reshape(-1, size)
