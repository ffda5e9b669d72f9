"""Small data sets, decoded once and kept in memory."""

import concurrent.futures
from collections.abc import Sequence

import numpy as np

from vision_jax.data.assembly import cores
from vision_jax.data.errors import DataError
from vision_jax.data.pickled import AsMade, Lock
from vision_jax.data.source import Example, OfSource, ReadSource
from vision_jax.data.transforms.base import Transform, apply_all

_PARTS = 4  # for each thread, so that threads finish together


class InMemory(OfSource, AsMade):
  """Keeps a source's examples after deterministic transforms, all one shape.

  Lazy: an example is read when a batch first needs it, by all threads together,
  so that the first step starts at once and later epochs gather at the speed of
  memory.

  Args:
    source: examples to read.
    transforms: (example, None) -> example, such as `decode`; random ones
      belong in the Loader.
    threads: how many threads read and transform; None or 0 is one for each
      core.
  """

  def __init__(
    self,
    source: ReadSource,
    transforms: Sequence[Transform] = (),
    threads: int | None = None,
  ):
    self.source, self.transforms = source, tuple(transforms)
    self._threads = threads or cores()
    self._lock = Lock()
    self._arrays: dict[str, np.ndarray] | None = None
    self._filled: np.ndarray | None = None

  def __getstate__(self) -> dict[str, object]:
    return super().__getstate__() | {"_arrays": None, "_filled": None}

  def __len__(self) -> int:
    return len(self.source)

  def fingerprint(self) -> str:
    """Returns the source's fingerprint."""
    return self.source.fingerprint()

  def labels(self) -> np.ndarray:
    """Returns all labels (n,); reads everything where the source has none."""
    if hasattr(self.source, "labels"):
      return self.source.labels()
    return self.gather(np.arange(len(self)))["label"]

  def gather(self, indices: np.ndarray) -> dict[str, np.ndarray]:
    """Returns the examples at `indices` as new arrays (b, ...)."""
    if self._filled is None or not self._filled[indices].all():
      with self._lock:  # two threads may need the same examples
        self._fill(indices)
    return {k: np.take(x, indices, axis=0) for k, x in self._arrays.items()}

  def _fill(self, indices: np.ndarray) -> None:
    if self._filled is not None:
      indices = indices[~self._filled[indices]]
    indices = np.unique(indices)
    if self._arrays is None:  # the first one tells the shapes
      self._read(indices[:1])
      indices = indices[1:]
    if not len(indices):
      return
    parts = np.array_split(indices, min(_PARTS * self._threads, len(indices)))
    if self._threads == 1:
      parts = [indices]
    with concurrent.futures.ThreadPoolExecutor(self._threads) as pool:
      list(pool.map(self._read, parts))  # raises the first part's error

  def _read(self, indices: np.ndarray) -> None:
    for i, example in zip(indices, self.source.read(indices), strict=True):
      self._store(int(i), apply_all(self.transforms, example, None))

  def _store(self, i: int, example: Example) -> None:
    name = example.pop("name", f"example {i}")
    rows = {key: np.asarray(x) for key, x in example.items()}
    if self._arrays is None:
      size = len(self.source)  # untouched pages of `empty` cost no memory
      self._arrays = {
        k: np.empty((size, *x.shape), x.dtype) for k, x in rows.items()
      }
      self._filled = np.zeros(size, bool)
    expected = {k: x.shape[1:] for k, x in self._arrays.items()}
    if {k: x.shape for k, x in rows.items()} != expected:
      raise DataError(
        f"{name}: got shapes { {k: x.shape for k, x in rows.items()} }; "
        f"expected {expected}, as the first example. Give InMemory transforms "
        "that decode to one shape, such as resize((h, w))."
      )
    for key, x in rows.items():
      self._arrays[key][i] = x
    self._filled[i] = True
