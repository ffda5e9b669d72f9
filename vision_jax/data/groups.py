"""Groups of examples, each joined to one: mosaics, pairs, clips."""

import itertools
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from vision_jax.data.errors import DataError
from vision_jax.data.joins import mosaic, stacked
from vision_jax.data.members import Consecutive, Others, Partners
from vision_jax.data.pickled import AsMade, Transform
from vision_jax.data.source import Example, OfSource, Source, draw, short_hash
from vision_jax.data.transforms.base import apply_all

Join = Callable[[Sequence[Example], np.random.Generator], Example]


class Members(Protocol):
  """Which examples are a group's; its length is the number of groups."""

  def __len__(self) -> int:
    """Number of groups."""

  def __call__(self, i: int, rng: np.random.Generator) -> np.ndarray:
    """Returns the indices (n,) of group i's examples in the source, pure."""


class Grouped(OfSource, AsMade):
  """A source whose example i is group i of another's examples, joined.

  A `Loader` reads it as it does any other: an epoch visits every group once,
  `index` counts groups, and what is drawn (the members, the join) follows from
  the seed and the position in the run. A group with an image that cannot be
  read is such an image.

  Args:
    source: what the examples are read from.
    members: which of them belong together.
    join: (examples, rng) -> example.
    transforms: of each example before it is joined, such as `decode`.
    alike: whether transforms draw the same for all examples of a group, as they
      have to for the frames of a clip.
  """

  def __init__(
    self,
    source: Source,
    members: Members,
    join: Join,
    *,
    transforms: Sequence[Transform] = (),
    alike: bool = False,
  ):
    self.source, self.members, self.join = source, members, join
    self.transforms, self.alike = tuple(transforms), alike

  def __len__(self) -> int:
    return len(self.members)

  def fingerprint(self) -> str:
    """Returns a hash of the source's and of the number of groups."""
    return short_hash(self.source.fingerprint(), "groups", len(self))

  def draw(
    self, indices: np.ndarray, rngs: Sequence[np.random.Generator]
  ) -> list[Example]:
    """Returns the groups at `indices` (b,), each drawn by its own generator.

    Raises:
      DataError: if a group has members that the source does not have.
    """
    pairs = zip(indices, rngs, strict=True)
    members = [self._members(int(i), rng) for i, rng in pairs]
    each = [rng for x, rng in zip(members, rngs, strict=True) for _ in x]
    examples = iter(draw(self.source, np.concatenate(members), each))
    return [
      self._joined([*itertools.islice(examples, len(group))], rng)
      for group, rng in zip(members, rngs, strict=True)
    ]

  def _members(self, i: int, rng: np.random.Generator) -> np.ndarray:
    found, size = np.asarray(self.members(i, rng)), len(self.source)
    whole = found.ndim == 1 and np.issubdtype(found.dtype, np.integer)
    within = (found >= 0) & (found < size) if whole else np.zeros(1, bool)
    if not len(within) or not within.all():
      raise DataError(
        f"Grouped: got the members {found.tolist()} of group {i}; expected "
        f"one index or more, 0 to {size - 1}, of the source's examples."
      )
    return found

  def _joined(
    self, examples: Sequence[Example], rng: np.random.Generator
  ) -> Example:
    if self.transforms:
      seed = int(rng.integers(2**63))
      one = np.random.default_rng(seed)
      new = lambda: np.random.default_rng(seed) if self.alike else one
      examples = [apply_all(self.transforms, x, new()) for x in examples]
    names = [str(x["name"]) for x in examples if "name" in x]
    name = {"name": " + ".join(names)} if names else {}
    return name | self.join(examples, rng)


def mosaics(
  source: Source,
  size: tuple[int, int],
  *,
  transforms: Sequence[Transform] = (),
  **options: object,
) -> Grouped:
  """Returns mosaics of each example and three others, drawn anew every time.

  Args:
    source: images with their boxes, or with a target.
    size: (height, width) of a mosaic.
    transforms: of each example before, such as `decode` and a resize.
    **options: of `mosaic`.
  """
  join = mosaic(size, **options)
  return Grouped(source, Others(source, 4), join, transforms=transforms)


def pairs(
  source: Source,
  *,
  same: float = 0.5,
  transforms: Sequence[Transform] = (),
) -> Grouped:
  """Returns each example with another, drawn anew every time.

  Keys are stacked: `image` (2, h, w, c), `label` (2,). The two are of one class
  where their labels are.

  Args:
    source: its `labels()` (n,) are the classes.
    same: probability that the other is of the same class; 0 to 1.
    transforms: of each example before.
  """
  return Grouped(
    source, Partners(source, same), stacked(), transforms=transforms
  )


def clips(
  source: Source,
  length: int,
  *,
  stride: int = 1,
  every: int = 1,
  videos: Sequence[object] | None = None,
  transforms: Sequence[Transform] = (),
) -> Grouped:
  """Returns clips of frames that follow one another: `image` (t, h, w, c).

  What else a frame has, such as `label`, is the first frame's. Clips are in
  order, and none crosses from one video to the next.

  Args:
    source: the frames, in order.
    length: frames in a clip, t.
    stride: from one frame of a clip to the next.
    every: from the start of one clip to the next in the same video.
    videos: (n,), which video each frame is of; None where all are of one.
    transforms: of each frame before; what is random is the same for a clip's.
  """
  members = Consecutive(source, length, stride, every, videos)
  return Grouped(
    source, members, stacked("image"), transforms=transforms, alike=True
  )
