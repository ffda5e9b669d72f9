"""Images that two splits share, found without reading most of them."""

import collections
import concurrent.futures
import hashlib
import pathlib
from collections.abc import Iterable, Mapping, Sequence

from vision_jax.data.assembly import cores
from vision_jax.data.errors import DataError
from vision_jax.data.source import Source
from vision_jax.data.subsets import Part

_TAIL = 4096  # bytes at the end of a file, which tell most apart
Pair = tuple[str, str]  # two places of one image


def files_of(source: Source) -> list[pathlib.Path]:
  """Returns the file of each image of a source; [] where it has none."""
  if isinstance(source, Part):
    files = files_of(source.source)
    return [files[i] for i in source.indices] if files else []
  files = getattr(source, "files", ())
  return [path[0] if isinstance(path, tuple) else path for path in files]


def shared_files(
  first: Sequence[pathlib.Path], second: Sequence[pathlib.Path]
) -> list[Pair]:
  """Returns the files of two splits that have the same bytes.

  Only of files of one size the last bytes are read, and only of those that
  agree in them the others.
  """
  kept = _alike(_alike((first, second), _size), _tail)
  left, right = (_by(paths, _whole) for paths in kept)
  both = [key for key in left if key and key in right]
  return [(str(left[key][0]), str(right[key][0])) for key in both]


def refuse_shared(
  first: str, second: str, pairs: Sequence[Pair], where: str
) -> DataError:
  """Returns the error of images that two splits share."""
  return DataError(
    f"data {where}: {first} and {second} share {len(pairs)} "
    f"image{'s' if len(pairs) > 1 else ''}, such as {' = '.join(pairs[0])}; "
    "expected each in one split, since what is trained on flatters what is "
    "measured. Remove them from one, or pass --config.on_shared=keep."
  )


def _alike(splits: Iterable[Sequence[pathlib.Path]], key) -> list[list]:
  """Returns those files of both splits whose key the other has, too."""
  left, right = (_by(paths, key) for paths in splits)
  both = left.keys() & right.keys()
  return [[p for k in both for p in split[k]] for split in (left, right)]


def _by(paths: Sequence[pathlib.Path], key) -> Mapping[object, list]:
  found = collections.defaultdict(list)
  with concurrent.futures.ThreadPoolExecutor(cores()) as pool:
    for path, value in zip(paths, pool.map(key, paths), strict=True):
      found[value].append(path)
  return found


def _size(path: pathlib.Path) -> int:
  try:
    return path.stat().st_size
  except OSError:  # where it is read, that is said
    return -1


def _tail(path: pathlib.Path) -> tuple[int, bytes]:
  size = _size(path)
  return size, _read(path, max(size - _TAIL, 0))


def _whole(path: pathlib.Path) -> bytes:
  data = _read(path, 0)
  return hashlib.blake2b(data).digest() if data else b""


def _read(path: pathlib.Path, start: int) -> bytes:
  try:
    with path.open("rb") as file:
      file.seek(start)
      return file.read()
  except OSError:
    return b""
