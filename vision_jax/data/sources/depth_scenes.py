"""Generated scenes with their depth: boxes and spheres on a floor."""

import dataclasses

import numpy as np

from vision_jax.data.errors import DataError
from vision_jax.data.order import check_seed
from vision_jax.data.pickled import AsMade
from vision_jax.data.source import Example, short_hash

SPLITS = ("train", "val", "test")
HEIGHT = 1.4  # of the camera above the floor, in metres
FOCAL = 1.0  # in heights of the image: about 53 degrees from top to bottom
_VERSION = 1  # of the drawing, part of the fingerprint
_NEAR, _FAR = 1.5, 9.0  # where objects stand
_WALLS = 0.7  # part of the scenes that have one; the others have sky
_HORIZON = 60.0  # metres from which on the floor is sky
_EPS = 1e-9


@dataclasses.dataclass(frozen=True)
class Sphere:
  """A sphere, of a centre (3,) and a radius in metres."""

  centre: np.ndarray
  radius: float

  def hit(self, rays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns depth (n,), infinite where it is missed, and normals (n, 3)."""
    a, b = (rays**2).sum(1), rays @ self.centre
    inside = b**2 - a * (self.centre @ self.centre - self.radius**2)
    depth = (b - np.sqrt(np.maximum(inside, 0))) / a
    depth = np.where((inside > 0) & (depth > 0), depth, np.inf)
    at = rays * np.where(np.isfinite(depth), depth, 0)[:, None]
    return depth, (at - self.centre) / self.radius


@dataclasses.dataclass(frozen=True)
class Box:
  """A box turned about the vertical: centre (3,), half sides (3,), angle."""

  centre: np.ndarray
  half: np.ndarray
  angle: float

  @property
  def axes(self) -> np.ndarray:
    """Its axes as rows, (3, 3)."""
    c, s = np.cos(self.angle), np.sin(self.angle)
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])

  def hit(self, rays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns depth (n,), infinite where it is missed, and normals (n, 3)."""
    way, eye = rays @ self.axes.T, -self.axes @ self.centre
    way = np.where(np.abs(way) < _EPS, _EPS, way)
    slabs = np.stack([(sign * self.half - eye) / way for sign in (-1, 1)])
    first, last = slabs.min(0), slabs.max(0)
    side, depth = first.argmax(1), first.max(1)
    seen = (depth > 0) & (depth < last.min(1))
    signs = -np.sign(np.take_along_axis(way, side[:, None], 1))
    return np.where(seen, depth, np.inf), self.axes[side] * signs


class DepthScenes(AsMade):
  """Scenes of boxes and spheres; example i is pure in (seed, split, i).

  A pinhole camera looks along z at a chequered floor, on which objects stand
  before a wall or the sky. An example has `image` (h w 3) uint8 and `depth`
  (h w) float32: metres along the optical axis, 0 in the sky, where there is
  none.

  Args:
    split: "train", "val" or "test".
    length: number of scenes.
    size: (h, w), in pixels.
    seed: seed of all scenes.
  """

  def __init__(
    self,
    split: str,
    length: int,
    *,
    size: tuple[int, int] = (64, 64),
    seed: int = 0,
  ):
    if split not in SPLITS or min(size) < 8 or length < 1:
      raise DataError(
        f"depth scenes: got split {split!r}, length {length}, size "
        f"{tuple(size)}; expected train, val or test, at least 1 scene and 8 "
        "pixels a side."
      )
    check_seed(seed)
    self.split, self.length, self.seed = split, length, seed
    self.size = tuple(size)

  def __len__(self) -> int:
    return self.length

  def fingerprint(self) -> str:
    """Returns a hash of what defines the scenes."""
    return short_hash(_VERSION, self.split, self.length, self.size, self.seed)

  def read(self, indices: np.ndarray) -> list[Example]:
    """Returns the scenes at `indices`."""
    return [self._scene(int(i)) for i in indices]

  def objects(self, i: int) -> list[Sphere | Box]:
    """Returns what stands in a scene."""
    rng = self._rng(i, 0)
    return [_object(rng) for _ in range(rng.integers(2, 7))]

  def rays(self) -> np.ndarray:
    """Returns the directions of all pixels, (h w, 3), whose z is 1."""
    h, w = self.size
    y = (h / 2 - 0.5 - np.arange(h)) / (FOCAL * h)
    x = (np.arange(w) + 0.5 - w / 2) / (FOCAL * h)
    x, y = np.meshgrid(x, y)
    return np.stack([x, y, np.ones_like(x)], -1).reshape(-1, 3)

  def _rng(self, i: int, part: int) -> np.random.Generator:
    split = SPLITS.index(self.split)
    return np.random.default_rng((self.seed, split, i, part))

  def _scene(self, i: int) -> Example:
    rng, rays = self._rng(i, 1), self.rays()
    sky = rng.uniform([120, 150, 190], [180, 200, 255])
    depth = np.full(len(rays), np.inf)
    colour = np.broadcast_to(sky, rays.shape).copy()
    light = _unit(rng.normal(size=3) * [1, 0.3, 1] + [0, 1.2, -0.8])
    found = [*_ground(rng, rays), *(o.hit(rays) for o in self.objects(i))]
    for far, normal in found:
      paint = _painted(rng, rays, far, normal)
      shade = 0.45 + 0.55 * np.maximum(normal @ light, 0)
      nearer = far < depth
      colour[nearer] = (paint * shade[:, None])[nearer]
      depth = np.where(nearer, far, depth)
    colour += rng.normal(0, 4, colour.shape)
    return {
      "name": f"depth scenes {self.split} [{i}]",
      "image": _pixels(colour).reshape(*self.size, 3),
      "depth": np.where(np.isfinite(depth), depth, 0)
      .astype(np.float32)
      .reshape(self.size),
    }


def _ground(rng: np.random.Generator, rays: np.ndarray):
  """Yields depth and normals of the floor, and of a wall if there is one."""
  y = np.where(rays[:, 1] < -_EPS, rays[:, 1], -_EPS)
  floor = -HEIGHT / y
  floor = np.where((rays[:, 1] < 0) & (floor < _HORIZON), floor, np.inf)
  yield floor, np.broadcast_to([0.0, 1.0, 0.0], rays.shape)
  if rng.random() < _WALLS:
    wall = np.full(len(rays), rng.uniform(_FAR, 1.5 * _FAR))
    yield wall, np.broadcast_to([0.0, 0.0, -1.0], rays.shape)


def _object(rng: np.random.Generator) -> Sphere | Box:
  z = np.exp(rng.uniform(np.log(_NEAR + 1), np.log(_FAR)))
  x, size = rng.uniform(-0.45, 0.45) * z, rng.uniform(0.25, 0.9)
  if rng.random() < 0.5:
    return Sphere(np.array([x, size - HEIGHT, z]), size)
  half = size * rng.uniform(0.5, 1.2, 3)
  centre = np.array([x, half[1] - HEIGHT, z])
  return Box(centre, half, rng.uniform(0, np.pi / 2))


def _painted(rng, rays, far, normal) -> np.ndarray:
  """Colours (n, 3): chequers of the metre on what is flat and lies or stands.

  Their size says how far away a floor is, and nothing says it of an object but
  its place and size.
  """
  one, other = rng.uniform(50, 230, (2, 3))
  other = one + (other - one) * rng.uniform(0, 0.6)
  at = rays * np.where(np.isfinite(far), far, 0)[:, None]
  flat = at[:, [0, 2]] if normal[0, 1] == 1 else at[:, [0, 1]]
  odd = (np.floor(flat).sum(1) % 2)[:, None]
  return one + odd * (other - one)


def _pixels(colour: np.ndarray) -> np.ndarray:
  return np.clip(np.round(colour), 0, 255).astype(np.uint8)


def _unit(x: np.ndarray) -> np.ndarray:
  return x / np.linalg.norm(x)
