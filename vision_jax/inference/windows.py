"""Windows of large images, each of which a net sees as an image."""

import collections
import dataclasses
import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from vision_jax.data.headers import sizes
from vision_jax.data.pickled import Lock
from vision_jax.data.source import Example
from vision_jax.data.sources.given_images import Given
from vision_jax.data.sources.video import VideoFrames
from vision_jax.data.transforms.base import Transform
from vision_jax.errors import UserError
from vision_jax.ops.tiling import Tiles

_KEPT = 2  # decoded images: those that threads are at


@dataclasses.dataclass(frozen=True)
class Tiling:
  """How images are cut up.

  Attributes:
    tile: side of the windows, in pixels.
    overlap: how many of them the next window has, too; None for an eighth.
  """

  tile: int
  overlap: int | None = None

  def __post_init__(self):
    if self.tile < 1:
      raise UserError(f"--tile: got {self.tile}; expected pixels, 1 or more.")
    if not 0 <= self.shared < self.tile:
      raise UserError(
        f"--overlap: got {self.shared} of tiles of {self.tile}; expected 0 to "
        f"{self.tile - 1} pixels."
      )

  @property
  def shared(self) -> int:
    """Pixels that neighbours share."""
    return self.tile // 8 if self.overlap is None else self.overlap

  def words(self, seen: tuple[int, int]) -> str:
    """Returns how the net sees windows: (h, w) as they come to it."""
    begin = f"Windows of {self.tile}x{self.tile} pixels, {self.shared} shared"
    if seen == (self.tile, self.tile):
      return f"{begin}; the net sees each pixel."
    h, w = seen
    return (
      f"{begin}; the net sees them resized to {h}x{w} (height x width): "
      f"--tile={max(seen)} shows it each pixel."
    )

  @property
  def tiles(self) -> Tiles:
    """Where windows stand, and what each pixel of theirs weighs."""
    step = self.tile - self.shared
    return Tiles((self.tile,) * 2, (step,) * 2, blend="smooth")


class Window(NamedTuple):
  """Which image it is of, and its upper left corner there."""

  image: int
  y: int
  x: int


class Windows:
  """The windows of all images, row by row; what exceeds an image is mirrored.

  Args:
    source: encoded images.
    decode: decodes them.
    tiles: the grid.
  """

  def __init__(self, source: Given, decode: Transform, tiles: Tiles):
    self._source, self._decode, self._tiles = source, decode, tiles
    self._lock = Lock()
    self._decoded: collections.OrderedDict[int, Example] = (
      collections.OrderedDict()
    )

  @functools.cached_property
  def sizes(self) -> Sequence[tuple[int, int] | None]:
    """(height, width) of each image by its header; None for a bad one."""
    one = lambda i: self._source.read([i])[0]["image"]
    n = len(self._source)
    if isinstance(self._source, VideoFrames):  # all are of one
      return [*sizes(1, one)] * n
    return sizes(n, one)

  @functools.cached_property
  def places(self) -> list[Window]:
    """Each window; of an image without a size one, which says it is bad."""
    found = []
    for i, size in enumerate(self.sizes):
      rows, columns = self._tiles.axes(*(size or (1, 1)))
      found += [
        Window(i, int(y), int(x)) for y in rows.starts for x in columns.starts
      ]
    return found

  def __len__(self) -> int:
    return len(self.places)

  def read(self, indices: Sequence[int]) -> list[Example]:
    """Returns windows, decoded."""
    return [self._window(self.places[i]) for i in indices]

  def fingerprint(self) -> str:
    """Returns the source's."""
    return self._source.fingerprint()

  def _window(self, at: Window) -> Example:
    example = self._image(at.image)
    part = window_of(example["image"], (at.y, at.x), self._tiles.window)
    return example | {"image": part}

  def _image(self, number: int) -> Example:
    """Decodes an image, or takes it from the last few."""
    with self._lock:
      if number not in self._decoded:
        example = self._decode(self._source.read([number])[0], None)
        if not isinstance(example["image"], np.ndarray):
          raise UserError(
            "--tile: the config's Predict does not begin with decoding, which "
            "comes before cutting. Put decode() first."
          )
        self._decoded[number] = example
        if len(self._decoded) > _KEPT:
          self._decoded.popitem(last=False)
      return self._decoded[number]


def window_of(
  image: np.ndarray, corner: tuple[int, int], size: tuple[int, int]
) -> np.ndarray:
  """Returns a part (h w c) of an image, mirrored at its border's centre."""
  rows, columns = (
    _mirrored(np.arange(start, start + length), n)
    for start, length, n in zip(corner, size, image.shape[:2], strict=True)
  )
  return image[rows[:, None], columns]


def _mirrored(places: np.ndarray, n: int) -> np.ndarray:
  """Returns where in n pixels places beyond them are, as `mirror_pad` has."""
  period = max(2 * (n - 1), 1)
  places = places % period
  return np.where(places < n, places, period - places)
