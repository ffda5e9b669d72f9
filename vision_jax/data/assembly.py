"""Makes the examples of one batch: read, transformed, in threads, in place."""

import concurrent.futures
import dataclasses
import functools
import logging
import os
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from vision_jax.data.errors import BadImage, DataError
from vision_jax.data.source import Example
from vision_jax.data.transforms.base import apply_all

Arrays = dict[str, np.ndarray]
_LOG = logging.getLogger(__name__)
_CHUNKS = 4  # for each thread in a batch, so that threads finish together


@dataclasses.dataclass(frozen=True)
class Assembly:
  """Makes batches of given examples; safe to use from several threads.

  Attributes:
    source, transforms, seed, threads, on_bad_image: as for the Loader.
    skipped: name of each bad image met so far -> what is wrong with it.
  """

  source: Any
  transforms: Sequence[Callable[..., Example]]
  seed: int
  threads: int | None
  on_bad_image: str
  skipped: dict[str, str] = dataclasses.field(default_factory=dict)
  _lock: Any = dataclasses.field(default_factory=threading.RLock)

  def make(self, indices: np.ndarray, positions: np.ndarray) -> Arrays:
    """Returns the examples at `indices` (k,), and copies up to `positions`.

    `positions` (b,), b >= k, tell each example's random numbers. Adds `mask`,
    0 for rows that do not count: padding, and bad images. They hold a copy of
    the first example that does, or of the source's first readable one, so that
    no loss is asked for a gradient at pixels that no picture has (a norm has
    none at zero, and 0 times infinity is no number).
    """
    batch = self._gathered(indices, len(positions))
    return self._assembled(indices, positions) if batch is None else batch

  @functools.cached_property
  def _split(self) -> tuple[Sequence[Any], Sequence[Any]]:
    """Splits the transforms into those one by one, and batched ones after."""
    ends = len(self.transforms)
    while ends and getattr(self.transforms[ends - 1], "batched", False):
      ends -= 1
    return self.transforms[:ends], self.transforms[ends:]

  def _gathered(self, indices: np.ndarray, size: int) -> Arrays | None:
    """Gathers a whole batch; None if it has to be made one by one."""
    singles, batched = self._split
    count = len(indices)
    if singles or not count or not hasattr(self.source, "gather"):
      return None
    try:
      batch = self.source.gather(indices)
    except BadImage:
      if self.on_bad_image == "error":
        raise
      return None
    for transform in batched:
      batch = transform(batch, None)
    if count < size:
      rows = np.where(np.arange(size) < count, np.arange(size), 0)
      batch = {k: np.take(x, rows, axis=0) for k, x in batch.items()}
    batch["mask"] = (np.arange(size) < count).astype(np.float32)
    return batch

  def _assembled(self, indices: np.ndarray, positions: np.ndarray) -> Arrays:
    """Makes a batch example by example, in threads, in place."""
    b = len(positions)
    shapes = self._template[1]
    out = {k: np.empty((b, *x.shape), x.dtype) for k, x in shapes.items()}
    out["mask"] = np.zeros(b, np.float32)
    threads = self.threads or cores()
    size = max(1, -(-len(indices) // (threads * _CHUNKS)))
    starts = range(0, len(indices), size)
    real = {k: x[: len(indices)] for k, x in out.items()}
    fill = lambda lo: self._fill(
      real, slice(lo, lo + size), indices[lo : lo + size], positions[lo:]
    )
    if threads == 1 or len(starts) == 1:
      for start in starts:
        fill(start)
    else:
      list(self._pool.map(fill, starts))
    left = out["mask"] == 0  # bad images, and padding
    first = int(np.argmin(left))
    for key, example in shapes.items() if left.any() else ():
      out[key][left] = example if left[first] else out[key][first]
    return out

  def _fill(
    self, out: Arrays, where: slice, indices: np.ndarray, positions: np.ndarray
  ) -> None:
    """Writes the examples at `indices` to the rows `where` of `out`."""
    batched, shapes = self._split[1], self._template[0]
    rows = {k: x[where] for k, x in out.items()}
    if batched:
      b = len(indices)
      rows = {k: np.zeros((b, *x.shape), x.dtype) for k, x in shapes.items()}
    for i, example in enumerate(self._read(indices)):
      example = example and self._transform(example, int(positions[i]))
      if example is not None:
        _store(rows, i, example, shapes)
        out["mask"][where][i] = 1
    if batched:
      for transform in batched:
        rows = transform(rows, None)
      for key, x in rows.items():
        out[key][where] = x

  def _read(self, indices: np.ndarray) -> list[Example | None]:
    """Reads examples; None for bad ones that are to be skipped."""
    try:
      if not hasattr(self.source, "gather"):
        return self.source.read(indices)
      batch = self.source.gather(indices)
      return [{k: x[i] for k, x in batch.items()} for i in range(len(indices))]
    except BadImage as error:
      if len(indices) > 1 and self.on_bad_image == "skip":
        return [self._read(indices[i : i + 1])[0] for i in range(len(indices))]
      self._skip(error)
      return [None]

  def _transform(self, example: Example, position: int) -> Example | None:
    """Applies the transforms one by one; None for a bad image."""
    singles, rng = self._split[0], None
    try:
      if singles:
        rng = np.random.default_rng((self.seed, position))
      return apply_all(singles, example, rng)
    except BadImage as error:
      self._skip(error)
      return None

  def _skip(self, error: BadImage) -> None:
    if self.on_bad_image == "error":
      raise error
    with self._lock:
      new = error.name not in self.skipped
      self.skipped[error.name] = error.reason
    if new:
      _LOG.warning("skipped image %s: %s", error.name, error.reason)

  @functools.cached_property
  def _pool(self) -> concurrent.futures.ThreadPoolExecutor:
    return concurrent.futures.ThreadPoolExecutor(
      self.threads or cores(), "vision_jax_data"
    )

  @functools.cached_property
  def _template(self) -> tuple[Arrays, Arrays]:
    """One example before and after the batched transforms, for its shapes."""
    for i in range(len(self.source)):
      example = self._read(np.array([i]))[0]
      example = example and self._transform(example, 0)
      if example is not None:
        break
    else:
      raise DataError(
        f"source: none of its {len(self.source)} images can be decoded."
      )
    first = {k: _array(k, x) for k, x in example.items() if k != "name"}
    last = {k: x[None] for k, x in first.items()}
    for transform in self._split[1]:
      last = transform(last, None)
    return first, {k: x[0] for k, x in last.items()}


def cores() -> int:
  """Returns how many cores this process may use."""
  if hasattr(os, "sched_getaffinity"):
    return len(os.sched_getaffinity(0))
  return os.cpu_count() or 1


def _store(rows: Arrays, i: int, example: Example, shapes: Arrays) -> None:
  """Writes one example to row i, after checking that it fits."""
  for key, template in shapes.items():
    value = _array(key, example.get(key))
    if value.shape != template.shape or value.dtype != template.dtype:
      raise DataError(
        f"{example.get('name', 'an example')}: {key} has shape {value.shape} "
        f"and type {value.dtype}; expected {template.shape} and "
        f"{template.dtype}, as the first example. Add a transform that gives "
        "one shape and type, such as resize((h, w))."
      )
    rows[key][i] = value


def _array(key: str, value: Any) -> np.ndarray:
  if value is None or isinstance(value, bytes | str):
    what = "missing" if value is None else "still encoded"
    raise DataError(
      f"{key}: is {what}; expected an array in every example. Add decode() to "
      "the transforms, or leave the key out of the source."
    )
  return np.asarray(value)
