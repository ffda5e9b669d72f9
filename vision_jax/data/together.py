"""Several loaders as one: side by side in every batch, or one for each step."""

import copy
from collections.abc import Callable, Iterator, Mapping
from typing import Self

import numpy as np

from vision_jax.data.assembly import Arrays
from vision_jax.data.errors import DataError, some
from vision_jax.data.loader import Loader
from vision_jax.data.source import Source, short_hash


class Several:
  """Loaders of one batch size that are sharded, rounded and closed together.

  Attributes:
    loaders: name -> loader.
  """

  def __init__(self, loaders: Mapping[str, Loader]):
    sizes = {name: loader.batch_size for name, loader in loaders.items()}
    if len(set(sizes.values())) != 1:
      raise DataError(
        f"{type(self).__name__}: got the batch sizes {sizes or 'of no loader'};"
        " expected one loader or more, all of one batch size."
      )
    self.loaders = dict(loaders)

  def __enter__(self) -> Self:
    return self

  def __exit__(self, *error: object) -> None:
    self.close()

  def close(self) -> None:
    """Ends the threads of all loaders; a next batch starts new ones."""
    for loader in self.loaders.values():
      loader.close()

  def shard(self, process_index: int, process_count: int) -> Self:
    """Returns one process's slices of the same batches."""
    return self._each(lambda x: x.shard(process_index, process_count))

  def rounded(self, devices: int) -> Self:
    """Returns batches of a size that `devices` divide, for evaluation."""
    return self._each(lambda x: x.rounded(devices))

  @property
  def batch_size(self) -> int:
    """Examples in a batch over all processes."""
    return next(iter(self.loaders.values())).batch_size

  @property
  def source(self) -> Source:
    """The longest source."""
    return max((x.source for x in self.loaders.values()), key=len)

  @property
  def epoch_steps(self) -> int:
    """Batches in `epoch()`."""
    return max(x.epoch_steps for x in self.loaders.values())

  @property
  def on_bad_image(self) -> str:
    """ "skip" where a loader skips bad images."""
    found = {x.on_bad_image for x in self.loaders.values()}
    return "skip" if "skip" in found else "error"

  @property
  def skipped_names(self) -> tuple[str, ...]:
    """The bad images that loaders have met so far, each once."""
    names = (n for x in self.loaders.values() for n in x.skipped_names)
    return tuple(dict.fromkeys(names))

  def fingerprint(self) -> str:
    """Returns a hash of the loaders' names and fingerprints."""
    pairs = ((name, x.fingerprint()) for name, x in self.loaders.items())
    return short_hash(*(part for pair in pairs for part in pair))

  def _each(self, change: Callable[[Loader], Loader]) -> Self:
    new = copy.copy(self)
    new.loaders = {name: change(x) for name, x in self.loaders.items()}
    return new


class Together(Several):
  """Loaders side by side: row i of a batch has an example of each.

  `Together(horses=..., zebras=...)` gives `horses/image`, `zebras/image` and
  so on for every key of each loader's own batch, `horses/mask` and
  `horses/index` among them; `vision_jax.ops.parts.part` takes a loader's batch
  out again. Besides, the batch has the rows' own

    mask (b,): 1 where every loader has an example that counts;
    index (b,): the position in the run; in `epoch`, in the longest source.

  Each loader goes through its source in its own order, and on in a new epoch
  when it is through. Two of one length and one seed go in the same order, as
  pairs do; give others seeds that differ.

  In `epoch` the loaders go on until the longest is through. The others begin
  anew meanwhile: what is seen again has its own mask 0, so that a measurement
  of a part counts each example once, and the row's 1.

  Raises:
    DataError: for no loader, or batch sizes that differ.
  """

  def __init__(self, **loaders: Loader):
    super().__init__(loaders)

  def batch(self, step: int) -> Arrays:
    """Returns this process's slice of the training batch of a step, pure."""
    parts = {name: x.batch(step) for name, x in self.loaders.items()}
    masks = [part["mask"] for part in parts.values()]
    return _side_by_side(parts) | {"mask": np.min(masks, 0)}

  def epoch(self) -> Iterator[Arrays]:
    """Yields every example of every source, in order, and fills up."""
    for step in range(self.epoch_steps):
      yield self.ordered(step)

  def ordered(self, step: int) -> Arrays:
    """Returns batch `step` of `epoch()`."""
    parts, bad = {}, []
    for name, loader in self.loaders.items():
      part = loader.ordered(step % loader.epoch_steps)
      within = part["index"] < len(loader.source)  # what is not was filled up
      bad.append(within & (part["mask"] == 0))
      if step >= loader.epoch_steps:
        part["mask"] = np.zeros_like(part["mask"])
      parts[name] = part
    masks = [part["mask"] for part in parts.values()]
    mask = np.where(np.any(bad, 0), 0, np.max(masks, 0)).astype(np.float32)
    return _side_by_side(parts) | {"mask": mask}


class Sizes(Several):
  """One of several loaders for each step: training at more than one size.

  `Sizes(make, (64, 96))` takes the batch of a step from `make(64)` or from
  `make(96)`, loaders of one source, seed and batch size that differ in their
  transforms; so each epoch visits every example once, as with one of them.
  Which of them is a function of (seed, step). A step is compiled anew for each
  shape of a batch. `epoch` goes through the last of the sizes.

  Args:
    make: size -> the loader of batches of that size.
    sizes: what it is called with.
    seed: seed of the draw.
    every: as many steps in turn have one size.

  Raises:
    DataError: for no size, one given twice, or batch sizes that differ.
  """

  def __init__(
    self,
    make: Callable[[object], Loader],
    sizes: tuple[object, ...],
    *,
    seed: int = 0,
    every: int = 1,
  ):
    if len({*map(str, sizes)}) < len(sizes) or every < 1:
      raise DataError(
        f"Sizes: got {some(list(sizes))}, every {every}; expected sizes that "
        "differ, and each for 1 step or more."
      )
    super().__init__({str(size): make(size) for size in sizes})
    self._seed, self._every = seed, every

  def batch(self, step: int) -> Arrays:
    """Returns this process's slice of the training batch of a step, pure."""
    seed = np.random.SeedSequence(
      (self._seed, step // self._every), spawn_key=(2,)
    )
    which = np.random.default_rng(seed).integers(len(self.loaders))
    return [*self.loaders.values()][which].batch(step)

  def epoch(self) -> Iterator[Arrays]:
    """Yields every example once, in order, at the last of the sizes."""
    return self.last.epoch()

  def ordered(self, step: int) -> Arrays:
    """Returns batch `step` of `epoch()`."""
    return self.last.ordered(step)

  @property
  def last(self) -> Loader:
    """The loader of the last size."""
    return [*self.loaders.values()][-1]


def _side_by_side(parts: Mapping[str, Arrays]) -> Arrays:
  """Puts a loader's name before its keys; `index` is the furthest one's."""
  batch = {}
  for name, part in parts.items():
    batch |= {f"{name}/{key}": x for key, x in part.items()}
  indices = [part["index"] for part in parts.values()]
  return batch | {"index": np.max(indices, 0)}
