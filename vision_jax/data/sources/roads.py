"""Roads: generated scenes as a driver sees them, and how far to steer."""

import numpy as np

from vision_jax.data.errors import DataError
from vision_jax.data.order import check_seed
from vision_jax.data.pickled import AsMade
from vision_jax.data.source import Example, short_hash

_SPLITS = {"train": 0, "val": 1, "test": 2}
_VERSION = 1  # of the drawing, part of the fingerprint


class Roads(AsMade):
  """Roads that bend; example i is pure in (seed, split, i).

  An example has `image` (size size 3) uint8 and `number` (1,) float32, the
  steering: the road's bend, -1 (left) to 1 (right), less what the car stands to
  the right of its middle.

  Args:
    split: "train", "val" or "test".
    length: number of scenes.
    size: height and width, in pixels.
    seed: seed of all scenes.
  """

  number_names = ("steering",)

  def __init__(self, split: str, length: int, *, size: int = 32, seed: int = 0):
    if split not in _SPLITS or size < 16 or length < 1:
      raise DataError(
        f"roads: got split {split!r}, length {length}, size {size}; expected "
        "train, val or test, at least 1 scene and 16 pixels."
      )
    check_seed(seed)
    self.split, self.length, self.size, self.seed = split, length, size, seed

  def __len__(self) -> int:
    return self.length

  def numbers(self) -> np.ndarray:
    """Returns the numbers of all scenes, (n, 1) float32."""
    drawn = [self._drawn(i)[1:] for i in range(self.length)]
    return np.float32([[bend - 0.3 * aside] for bend, aside in drawn])

  def fingerprint(self) -> str:
    """Returns a hash of what defines the scenes."""
    return short_hash(_VERSION, self.split, self.length, self.size, self.seed)

  def read(self, indices: np.ndarray) -> list[Example]:
    """Returns the scenes at `indices`."""
    return [self._scene(int(i)) for i in indices]

  def _drawn(self, i: int) -> tuple[np.random.Generator, float, float]:
    rng = np.random.default_rng((self.seed, _SPLITS[self.split], i))
    bend, aside = rng.uniform(-0.7, 0.7), rng.uniform(-1, 1)
    return rng, bend, aside

  def _scene(self, i: int) -> Example:
    rng, bend, aside = self._drawn(i)
    size = self.size
    horizon = int(size * rng.uniform(0.25, 0.4))
    sky, grass, grey = rng.uniform(
      [[120, 150, 190], [40, 90, 30], [70] * 3],
      [[180, 200, 255], [90, 160, 80], [130] * 3],
    )
    image = np.broadcast_to(sky, (size, size, 3)).copy()
    near = np.linspace(0, 1, size - horizon)[:, None]  # 0 is the horizon
    middle = 0.5 - 0.2 * aside * near + 0.45 * bend * (1 - near) ** 2
    away = (np.linspace(0, 1, size)[None] - middle) / (0.04 + 0.36 * near)
    ground = np.where((np.abs(away) < 1)[..., None], grey, grass)
    ground[np.abs(away) < 0.06] = 235  # the line in the middle
    image[horizon:] = ground
    image += rng.normal(0, 6, image.shape)
    return {
      "name": f"roads {self.split} [{i}]",
      "image": np.clip(np.round(image), 0, 255).astype(np.uint8),
      "number": np.float32([bend - 0.3 * aside]),
    }
