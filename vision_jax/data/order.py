"""In which order a run visits a data set: pure in (seed, epoch)."""

import functools
import threading
from collections.abc import Callable

import numpy as np

from vision_jax.data.errors import DataError
from vision_jax.data.pickled import AsMade
from vision_jax.data.source import Source

# (seed, epoch) -> the indices into the data set (m,) that the epoch visits.
Epoch = Callable[[int, int], np.ndarray]


def check_seed(seed: int) -> None:
  """Checks that a seed has 32 bits.

  Raises:
    DataError: if not.
  """
  if not 0 <= seed < 2**32:
    raise DataError(f"seed: got {seed}; expected 0 to {2**32 - 1}.")


class Order:
  """The endless sequence of a data set's indices, epoch after epoch.

  Position p of a run is in epoch p // m. Remembers the two last epochs used.

  Args:
    size: number of examples, n.
    seed: what epochs are drawn with.
    draw: gives each epoch's indices, as many for every one, each 0 to n - 1.
  """

  def __init__(self, size: int, seed: int, draw: Epoch):
    check_seed(seed)
    self._size, self._seed, self._draw = size, seed, draw
    self._lock = threading.RLock()
    self._epochs: dict[int, np.ndarray] = {}

  def at(self, positions: np.ndarray) -> np.ndarray:
    """Returns the indices (b,) into the data set at a run's positions (b,)."""
    epochs, places = np.divmod(positions, self._length)
    indices = np.empty_like(places)
    for epoch in np.unique(epochs):
      here = epochs == epoch
      indices[here] = self.epoch(int(epoch))[places[here]]
    return indices

  def epoch(self, number: int) -> np.ndarray:
    """Returns the indices (m,) of an epoch.

    Raises:
      DataError: if they are not what an order gives.
    """
    with self._lock:
      if number not in self._epochs:
        found = self._checked(number)
        while len(self._epochs) > 1:
          del self._epochs[next(iter(self._epochs))]
        self._epochs[number] = found
      return self._epochs[number]

  @functools.cached_property
  def _length(self) -> int:
    return len(self.epoch(0))

  def _checked(self, number: int) -> np.ndarray:
    found = np.asarray(self._draw(self._seed, number))
    m = self._length if number else found.size
    whole = np.issubdtype(found.dtype, np.integer)
    if not whole or found.shape != (m,) or not m:
      raise DataError(
        f"order: got {found.dtype} of shape {found.shape} for epoch {number}; "
        f"expected integers of shape ({m if number else 'm'},), indices of "
        "examples, as many in every epoch."
      )
    bad = (found < 0) | (found >= self._size)
    if bad.any():
      raise DataError(
        f"order: got the index {found[bad][0]} in epoch {number}; expected 0 "
        f"to {self._size - 1}, the source's last example."
      )
    return found.astype(np.int64)


def in_order(size: int) -> Epoch:
  """Returns the order 0 to n - 1 of every epoch."""
  return lambda seed, epoch: np.arange(size)


def shuffled(size: int) -> Epoch:
  """Returns the order in which each epoch is a permutation of its own."""
  return lambda seed, epoch: rng_of(seed, epoch).permutation(size)


class Balanced(AsMade):
  """An order in which every class comes equally often.

  An epoch has as many examples as the source. Of a large class it leaves some
  out, of a small one it repeats some: each comes once more before any comes
  twice more.

  Args:
    source: its `labels()` (n,) are the classes; read on first use.
  """

  def __init__(self, source: Source):
    if not hasattr(source, "labels"):
      raise DataError(
        f"Balanced: got a {type(source).__name__}, which has no labels(); "
        "expected a source with a class for each example."
      )
    self.source = source

  def __call__(self, seed: int, epoch: int) -> np.ndarray:
    rng = rng_of(seed, epoch)
    size, k = sum(map(len, self._classes)), len(self._classes)
    counts = np.full(k, size // k)
    counts[rng.permutation(k)[: size % k]] += 1
    drawn = [
      in_turn(rng, *pair) for pair in zip(self._classes, counts, strict=True)
    ]
    return rng.permutation(np.concatenate(drawn))

  @functools.cached_property
  def _classes(self) -> list[np.ndarray]:
    """The indices of each class's examples."""
    labels = np.asarray(self.source.labels())
    if labels.ndim != 1:
      raise DataError(
        f"Balanced: got labels of shape {labels.shape}; expected (n,), one "
        "class for each example."
      )
    return [np.flatnonzero(labels == k) for k in np.unique(labels)]


def in_turn(rng: np.random.Generator, of: np.ndarray, n: int) -> np.ndarray:
  """Draws n of some indices, each as often as any other, or once more."""
  rounds = [rng.permutation(of) for _ in range(-(-n // len(of)))]
  return np.concatenate([np.zeros(0, np.int64), *rounds])[:n]


def rng_of(seed: int, epoch: int) -> np.random.Generator:
  """Returns what an epoch's order is drawn with."""
  # The spawn key keeps this stream apart from the examples' own.
  return np.random.default_rng(
    np.random.SeedSequence((seed, epoch), spawn_key=(1,))
  )
