"""Batches of one static shape, as a pure function of (seed, step)."""

import copy
import functools
from collections.abc import Iterator, Sequence

import numpy as np

from vision_jax.data.assembly import Arrays, Assembly
from vision_jax.data.errors import DataError
from vision_jax.data.order import Epoch, Order, in_order, shuffled
from vision_jax.data.source import Source, short_hash
from vision_jax.data.transforms.base import Transform


class Loader:
  """Makes batches; safe to use from several threads.

  A batch is a dict of arrays (b, ...): the examples' own, `mask` (b,) float32,
  1 where the example counts, and `index` (b,) int32. Threads start with the
  first batch that needs them and end with `close`, or where a `with` does.

  Attributes:
    num_classes: labels have to lie below it; None takes the source's.
    process_index, process_count: whose slice of each batch this is.
  """

  def __init__(
    self,
    source: Source,
    transforms: Sequence[Transform] = (),
    batch_size: int = 0,
    seed: int = 0,
    *,
    shuffle: bool = True,
    order: Epoch | None = None,
    threads: int | None = None,
    on_bad_image: str = "error",
    num_classes: int | None = None,
  ):
    """Touches no data.

    Args:
      source: what is read, or gathered a batch at a time.
      transforms: applied in order; the batched ones at the end work on many
        examples at once.
      batch_size: examples in a batch over all processes.
      seed: seed of the order, and of random transforms.
      shuffle: whether `batch` visits each epoch in an order of its own.
      order: in which order instead: (seed, epoch) -> indices of examples (m,),
        pure, as many for every epoch; an index may come twice, or not at all.
      threads: how many threads read and transform; None or 0 is one for each
        core.
      on_bad_image: "error" raises `BadImage`; "skip" puts a copy of a real
        example with mask 0 in its place, counted in `skipped`.
      num_classes: labels have to lie below it; None takes the source's.

    Raises:
      DataError: for values that make no batch.
    """
    if on_bad_image not in ("error", "skip"):
      raise DataError(
        f"on_bad_image: got {on_bad_image!r}; expected error or skip."
      )
    if (threads or 0) < 0:
      raise DataError(f"threads: got {threads}; expected 0 or more.")
    self.source, self.transforms = source, tuple(transforms)
    self.seed, self.shuffle, self.order = seed, shuffle, order
    self.on_bad_image, self.num_classes = on_bad_image, num_classes
    self._assembly = Assembly(source, transforms, seed, threads, on_bad_image)
    self._set_share(batch_size, 0, 1)

  def __enter__(self) -> "Loader":
    return self

  def __exit__(self, *error: object) -> None:
    self.close()

  def close(self) -> None:
    """Ends the threads, of `shard` and `rounded` too; a next batch has new."""
    self._assembly.close()

  def shard(self, process_index: int, process_count: int) -> "Loader":
    """Returns the loader of one process's slices of the same batches.

    Raises:
      DataError: if the batch cannot be divided, or there are more processes
        than examples.
    """
    if process_count > 1 and process_count > len(self.source):
      raise DataError(
        f"processes: got {process_count} for {len(self.source)} examples; "
        "expected no more processes than examples. Use fewer processes."
      )
    return self.slice_of(process_index, process_count)

  def slice_of(self, process_index: int, process_count: int) -> "Loader":
    """Returns the same, of any number of examples: some may have none."""
    shard = copy.copy(self)
    shard._set_share(self.batch_size, process_index, process_count)
    return shard

  def rounded(self, devices: int) -> "Loader":
    """Returns a loader whose batches divide by `devices`, larger if need be.

    For evaluation, where the mask of the last batch takes up the difference.
    """
    size = -(-self.batch_size // devices) * devices
    rounded = copy.copy(self)
    rounded._set_share(size, self.process_index, self.process_count)
    return rounded

  def _set_share(self, batch_size: int, index: int, count: int) -> None:
    """Sets the size of the batches, and which slice of them is made."""
    if batch_size < 1 or batch_size % count:
      raise DataError(
        f"batch_size: got {batch_size}; expected a positive multiple of the "
        f"{count} process(es), which share each batch."
      )
    if not 0 <= index < count:
      raise DataError(f"process_index: got {index}; expected 0 to {count - 1}.")
    self.batch_size = batch_size
    self.process_index, self.process_count = index, count

  @property
  def epoch_steps(self) -> int:
    """Batches in `epoch()`."""
    return -(-self._size // self.batch_size)

  @property
  def skipped(self) -> int:
    """Bad images met so far, each counted once."""
    return len(self._assembly.skipped)

  @property
  def skipped_names(self) -> tuple[str, ...]:
    """The bad images met so far."""
    return tuple(self._assembly.skipped)

  @property
  def skipped_reasons(self) -> dict[str, str]:
    """What is wrong with each bad image met so far, by its name."""
    return dict(self._assembly.skipped)

  def fingerprint(self) -> str:
    """Returns the source's short hash; of its own `order` too."""
    found = self.source.fingerprint()
    if self.order is None:
      return found
    order = Order(self._size, 0, self.order)
    return short_hash(found, order.epoch(0), order.epoch(1))

  def batch(self, step: int) -> Arrays:
    """Returns this process's slice of the training batch at `step`.

    Pure in (seed, step). Batches straddle epochs, so that every epoch visits
    every example once and none is dropped; or else as `order` has it. `index`
    is the position in the run, step * batch_size and on (modulo 2^31).
    """
    positions = self._slice(step)
    return self._make(self._order.at(positions), positions)

  def epoch(self) -> Iterator[Arrays]:
    """Yields every example once, in the source's order, with all processes.

    The last batch is filled up with copies of a real example, of mask 0. Every
    process gets the same number of batches. `index` is the position in the
    data set.
    """
    for step in range(self.epoch_steps):
      yield self.ordered(step)

  def ordered(self, step: int) -> Arrays:
    """Returns batch `step` of `epoch()`."""
    positions = self._slice(step)
    return self._make(positions[positions < self._size], positions)

  def _slice(self, step: int) -> np.ndarray:
    local = self.batch_size // self.process_count
    start = step * self.batch_size + self.process_index * local
    return np.arange(start, start + local, dtype=np.int64)

  @functools.cached_property
  def _size(self) -> int:
    size = len(self.source)
    if size < 1:
      raise DataError("source: got 0 examples; expected at least one.")
    return size

  @functools.cached_property
  def _order(self) -> Order:
    usual = shuffled if self.shuffle else in_order
    return Order(self._size, self.seed, self.order or usual(self._size))

  def _make(self, indices: np.ndarray, positions: np.ndarray) -> Arrays:
    """Makes a batch of the examples at `indices`, padded to `positions`."""
    batch = self._assembly.make(indices, positions)
    batch["index"] = (positions & 0x7FFFFFFF).astype(np.int32)
    self._check_labels(batch, indices)
    return batch

  def _check_labels(self, batch: Arrays, indices: np.ndarray) -> None:
    label = batch.get("label")
    if label is None or not np.issubdtype(label.dtype, np.integer):
      return
    classes = self.num_classes or getattr(self.source, "num_classes", None)
    if classes is None:
      return
    bad = (label < 0) | (label >= classes)
    bad[batch["mask"] == 0] = False
    if not bad.any():
      return
    row = int(np.argwhere(bad)[0][0])
    raise DataError(
      f"label: got {label[bad][0]} in example {indices[row]} of the data; "
      f"expected 0 to {classes - 1}. Correct the data or num_classes."
    )
