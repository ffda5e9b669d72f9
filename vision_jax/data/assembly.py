"""Makes the examples of one batch: read, transformed, in threads, in place."""

import concurrent.futures
import functools
import logging
import os
import threading
from collections.abc import Sequence

import numpy as np

from vision_jax.data.errors import BadImage, DataError
from vision_jax.data.source import Example, Source, draws, gathers, read
from vision_jax.data.transforms.base import Transform, apply_all

Arrays = dict[str, np.ndarray]
_LOG = logging.getLogger(__name__)
_DRAWN = 3  # tells what a source draws from what transforms draw
_CHUNKS = 4  # for each thread in a batch, so that threads finish together


class Assembly:
  """Makes batches of given examples; safe to use from several threads.

  Attributes:
    skipped: name of each bad image met so far -> what is wrong with it.
  """

  def __init__(
    self,
    source: Source,
    transforms: Sequence[Transform],
    seed: int,
    threads: int | None,
    on_bad_image: str,
  ):
    """Takes what the Loader is made with."""
    self.skipped: dict[str, str] = {}
    self._source, self._seed, self._on_bad = source, seed, on_bad_image
    self._threads = threads or cores()
    ends = len(transforms)
    while ends and getattr(transforms[ends - 1], "batched", False):
      ends -= 1
    # Those one by one, and batched ones after.
    self._singles, self._batched = transforms[:ends], transforms[ends:]
    self._lock = threading.RLock()
    self._pool: concurrent.futures.ThreadPoolExecutor | None = None

  def close(self) -> None:
    """Ends the threads, after what they are at; a next batch starts new."""
    with self._lock:
      pool, self._pool = self._pool, None
    if pool is not None:
      pool.shutdown()

  def make(self, indices: np.ndarray, positions: np.ndarray) -> Arrays:
    """Returns the examples at `indices` (k,), and copies up to `positions`.

    `positions` (b,), b >= k, tell each example's random numbers. Adds `mask`,
    0 for rows that do not count: padding, and bad images. They hold a copy of
    the first example that does, or of the source's first readable one, so that
    no loss is asked for a gradient at pixels that no image has (a norm has
    none at zero, and 0 times infinity is no number).
    """
    batch = self._gathered(indices, len(positions))
    return self._assembled(indices, positions) if batch is None else batch

  def _gathered(self, indices: np.ndarray, size: int) -> Arrays | None:
    """Gathers a whole batch; None if it has to be made one by one."""
    count = len(indices)
    if self._singles or not count or not gathers(self._source):
      return None
    try:
      batch = self._source.gather(indices)
    except BadImage:
      if self._on_bad == "error":
        raise
      return None
    for transform in self._batched:
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
    size = max(1, -(-len(indices) // (self._threads * _CHUNKS)))
    starts = range(0, len(indices), size)
    real = {k: x[: len(indices)] for k, x in out.items()}
    fill = lambda lo: self._fill(
      real, slice(lo, lo + size), indices[lo : lo + size], positions[lo:]
    )
    if self._threads == 1 or len(starts) == 1:
      for start in starts:
        fill(start)
    else:
      list(self._opened().map(fill, starts))
    left = out["mask"] == 0  # bad images, and padding
    first = int(np.argmin(left))
    for key, example in shapes.items() if left.any() else ():
      out[key][left] = example if left[first] else out[key][first]
    return out

  def _fill(
    self, out: Arrays, where: slice, indices: np.ndarray, positions: np.ndarray
  ) -> None:
    """Writes the examples at `indices` to the rows `where` of `out`."""
    batched, shapes = self._batched, self._template[0]
    rows = {k: x[where] for k, x in out.items()}
    if batched:
      b = len(indices)
      rows = {k: np.zeros((b, *x.shape), x.dtype) for k, x in shapes.items()}
    for i, example in enumerate(self._read(indices, positions)):
      example = example and self._transform(example, int(positions[i]))
      if example is not None:
        _store(rows, i, example, shapes)
        out["mask"][where][i] = 1
    if batched:
      for transform in batched:
        rows = transform(rows, None)
      for key, x in rows.items():
        out[key][where] = x

  def _read(
    self, indices: np.ndarray, positions: np.ndarray
  ) -> list[Example | None]:
    """Reads examples; None for bad ones that are to be skipped."""
    try:
      if draws(self._source):
        rngs = [self._rng(p, _DRAWN) for p in positions[: len(indices)]]
        return self._source.draw(indices, rngs)
      return read(self._source, indices)
    except BadImage as error:
      if len(indices) > 1 and self._on_bad == "skip":
        ones = (slice(i, i + 1) for i in range(len(indices)))
        return [self._read(indices[i], positions[i])[0] for i in ones]
      self._skip(error)
      return [None]

  def _rng(self, position: int, *key: int) -> np.random.Generator:
    seed = np.random.SeedSequence((self._seed, int(position)), spawn_key=key)
    return np.random.default_rng(seed)

  def _transform(self, example: Example, position: int) -> Example | None:
    """Applies the transforms one by one; None for a bad image."""
    singles, rng = self._singles, None
    try:
      if singles:
        rng = self._rng(position)
      return apply_all(singles, example, rng)
    except BadImage as error:
      self._skip(error)
      return None

  def _skip(self, error: BadImage) -> None:
    if self._on_bad == "error":
      raise error
    with self._lock:
      new = error.name not in self.skipped
      self.skipped[error.name] = error.reason
    if new:
      _LOG.warning("skipped image %s: %s", error.name, error.reason)

  def _opened(self) -> concurrent.futures.ThreadPoolExecutor:
    with self._lock:
      if self._pool is None:
        self._pool = concurrent.futures.ThreadPoolExecutor(
          self._threads, "vision_jax_data"
        )
      return self._pool

  @functools.cached_property
  def _template(self) -> tuple[Arrays, Arrays]:
    """One example before and after the batched transforms, for its shapes."""
    for i in range(len(self._source)):
      example = self._read(np.array([i]), np.zeros(1, int))[0]
      example = example and self._transform(example, 0)
      if example is not None:
        break
    else:
      first = "".join(f"; {k}: {x}" for k, x in [*self.skipped.items()][:1])
      raise DataError(
        f"source: none of its {len(self._source)} images can be decoded{first}."
      )
    first = {k: _array(k, x) for k, x in example.items() if k != "name"}
    last = {k: x[None] for k, x in first.items()}
    for transform in self._batched:
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


def _array(key: str, value: object) -> np.ndarray:
  if value is None or isinstance(value, bytes | str):
    what = "missing" if value is None else "still encoded"
    raise DataError(
      f"{key}: is {what}; expected an array in every example. Add decode() to "
      "the transforms, or leave the key out of the source."
    )
  return np.asarray(value)
