"""In which order a run visits a data set: pure in (seed, epoch)."""

import threading

import numpy as np

from vision_jax.data.errors import DataError


def check_seed(seed: int) -> None:
  """Checks that a seed has 32 bits.

  Raises:
    DataError: if not.
  """
  if not 0 <= seed < 2**32:
    raise DataError(f"seed: got {seed}; expected 0 to {2**32 - 1}.")


class Order:
  """The endless sequence of a data set's positions, epoch after epoch.

  Position p of a run is in epoch p // n. Each epoch is a permutation of its
  own, or 0 to n - 1 without `shuffle`. Remembers the two last epochs used.
  """

  def __init__(self, size: int, seed: int, shuffle: bool):
    check_seed(seed)
    self._size, self._seed, self._shuffle = size, seed, shuffle
    self._lock = threading.Lock()
    self._epochs: dict[int, np.ndarray] = {}

  def at(self, positions: np.ndarray) -> np.ndarray:
    """Returns the indices (b,) into the data set at a run's positions (b,)."""
    epochs, places = np.divmod(positions, self._size)
    if not self._shuffle:
      return places
    indices = np.empty_like(places)
    for epoch in np.unique(epochs):
      here = epochs == epoch
      indices[here] = self._epoch(int(epoch))[places[here]]
    return indices

  def _epoch(self, epoch: int) -> np.ndarray:
    with self._lock:
      if epoch not in self._epochs:
        while len(self._epochs) > 1:
          del self._epochs[next(iter(self._epochs))]
        # The spawn key keeps this stream apart from the examples' own.
        seed = np.random.SeedSequence((self._seed, epoch), spawn_key=(1,))
        rng = np.random.default_rng(seed)
        self._epochs[epoch] = rng.permutation(self._size)
      return self._epochs[epoch]
