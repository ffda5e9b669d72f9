"""Images of any sizes, each at its own: those of one size make batches."""

import copy
import functools
from collections.abc import Iterator, Sequence

import numpy as np

from vision_jax.data.assembly import Arrays
from vision_jax.data.errors import DataError
from vision_jax.data.headers import sizes
from vision_jax.data.loader import Loader
from vision_jax.data.source import Source, read
from vision_jax.data.subsets import subset
from vision_jax.data.transforms.base import Transform


class BySize:
  """Batches for evaluation and prediction, of one size of image each.

  A step is compiled anew for each size, so that nothing is padded or resized:
  a convolution would see padding at the border. Batches are no larger than
  there are images of their size; `index` is the position in the source, and
  len(source) in rows that fill a batch up. Images come in the order of the
  first of their size.

  Args:
    source: examples with `image`, encoded or not.
    transforms: applied to each; what they give has to be of one shape where
      images are of one size.
    batch_size: images in a batch, at most, over all processes.
    threads: how many threads read and transform; None or 0 is one for each
      core.
    on_bad_image: "error" or "skip", see `Loader`.

  Raises:
    DataError: for values that make no batch.
  """

  def __init__(
    self,
    source: Source,
    transforms: Sequence[Transform] = (),
    batch_size: int = 1,
    *,
    threads: int | None = None,
    on_bad_image: str = "error",
  ):
    if batch_size < 1:
      raise DataError(f"batch_size: got {batch_size}; expected 1 or more.")
    self.source, self.transforms = source, tuple(transforms)
    self.batch_size, self.on_bad_image = batch_size, on_bad_image
    self._threads, self._devices, self._share = threads, 1, (0, 1)

  def __enter__(self) -> "BySize":
    return self

  def __exit__(self, *error: object) -> None:
    self.close()

  def close(self) -> None:
    """Ends the threads; a next batch starts new ones."""
    for loader in self.__dict__.get("_loaders", ()):
      loader.close()

  @functools.cached_property
  def groups(self) -> tuple[np.ndarray, ...]:
    """Positions of the images of each size; reads the files' heads.

    Those that cannot be read are among the first size, where reading them
    again says what is wrong.
    """
    one = lambda i: read(self.source, np.array([i]))[0]["image"]
    found: dict[tuple[int, int], list[int]] = {}
    bad = []
    for i, size in enumerate(sizes(len(self.source), one)):
      (bad if size is None else found.setdefault(size, [])).append(i)
    groups = [*found.values()] or [[]]
    groups[0] = sorted(groups[0] + bad)
    return tuple(np.array(group) for group in groups)

  @functools.cached_property
  def _loaders(self) -> tuple[Loader, ...]:
    return tuple(map(self._loader, self.groups))

  def _loader(self, group: np.ndarray) -> Loader:
    index, count = self._share
    loader = Loader(
      subset(self.source, group),
      self.transforms,
      batch_size=min(self.batch_size, len(group)),
      shuffle=False,
      threads=self._threads,
      on_bad_image=self.on_bad_image,
    )
    loader = loader.rounded(int(np.lcm(self._devices, count)))
    return loader.slice_of(index, count)

  def rounded(self, devices: int) -> "BySize":
    """Returns batches of sizes that `devices` divide."""
    size = -(-self.batch_size // devices) * devices
    return self._with(_devices=devices, batch_size=size)

  def shard(self, process_index: int, process_count: int) -> "BySize":
    """Returns one process's slices of the same batches."""
    return self._with(_share=(process_index, process_count))

  def _with(self, **fields: object) -> "BySize":
    new = copy.copy(self)
    new.__dict__.pop("_loaders", None)
    vars(new).update(fields)
    return new

  @property
  def epoch_steps(self) -> int:
    """Batches in `epoch()`."""
    return sum(loader.epoch_steps for loader in self._loaders)

  @property
  def skipped_names(self) -> tuple[str, ...]:
    """The bad images met so far."""
    return tuple(n for x in self._loaders for n in x.skipped_names)

  @property
  def skipped_reasons(self) -> dict[str, str]:
    """What is wrong with each bad image met so far, by its name."""
    return {k: x for y in self._loaders for k, x in y.skipped_reasons.items()}

  def fingerprint(self) -> str:
    """Returns the source's short hash."""
    return self.source.fingerprint()

  def batch(self, step: int) -> Arrays:
    """Returns batch `step` of epoch after epoch, all in the same order."""
    return self.ordered(step % self.epoch_steps)

  def epoch(self) -> Iterator[Arrays]:
    """Yields every example once; every process gets as many batches."""
    for step in range(self.epoch_steps):
      yield self.ordered(step)

  def ordered(self, step: int) -> Arrays:
    """Returns batch `step` of `epoch()`."""
    for group, loader in zip(self.groups, self._loaders, strict=True):
      if step < loader.epoch_steps:
        batch, places = loader.ordered(step), np.append(group, len(self.source))
        rows = np.minimum(batch["index"], len(group))
        return batch | {"index": places[rows].astype(np.int32)}
      step -= loader.epoch_steps
    raise IndexError(f"step: got one of {self.epoch_steps} and more")
