"""Star-convex polygons: distances from a pixel along rays to an object's edge.

Schmidt et al. (2018), https://arxiv.org/abs/1806.03535. Ray i of r goes at the
angle 2 pi i / r, from the x axis (to the right) towards y (down).
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from vision_jax.core.types import Array
from vision_jax.errors import UserError
from vision_jax.ops.instances import IDS
from vision_jax.ops.local import per_image
from vision_jax.ops.shapes import check_shape

_LEAST = 1e-3  # pixels, of a polygon's distance: it has its own pixel


def directions(rays: int) -> np.ndarray:
  """Returns the unit vectors (r, 2) of y and x.

  Raises:
    UserError: for fewer than three.
  """
  if rays < 3:
    raise UserError(f"rays: got {rays}; expected 3 or more, 32 as a rule.")
  angle = 2 * np.pi * np.arange(rays) / rays
  return np.stack([np.sin(angle), np.cos(angle)], -1)


def ray_distances(
  instances: Array, rays: int = 32, *, grid: int = 1, reach: int = 64
) -> Array:
  """Returns how far each pixel sees its object along rays, in pixels.

  Ray i is followed a pixel at a time, to the nearest pixel, as long as that is
  of the same object; the edge lies half a pixel after the last. The image's
  border is an edge too. Of background it is 0. Takes as many turns as the
  longest ray has pixels, `reach` at most.

  Args:
    instances: (b, h, w) int32, see `vision_jax.ops.instances`.
    rays: r.
    grid: of every so many rows and columns the first is looked at.
    reach: pixels after which a ray ends.

  Returns:
    (b, h', w', r) float32, h' = h / grid, rounded up.
  """
  check_shape("instances", instances, "b h w")
  follow = functools.partial(_follow, rays=rays, grid=grid, reach=reach)
  return per_image(follow)(instances)


def object_probs(instances: Array, distances: Array) -> Array:
  """Returns how central a pixel is in its object, 0 to 1: (b, h, w).

  Its distance to the nearest edge, over the largest of its object. The nearest
  edge is that of the rays (b, h, w, r), see `ray_distances`: it may be a little
  farther than the nearest of all.
  """
  nearest = distances.min(-1)

  def one(numbers: Array, near: Array) -> Array:
    largest = jnp.zeros(IDS, near.dtype).at[numbers].max(near)
    return near / jnp.maximum(largest[numbers], _LEAST)

  return per_image(jax.vmap(one))(instances, nearest)


def draw_polygons(
  score: Array,
  places: Array,
  distances: Array,
  size: tuple[int, int],
  *,
  overlap: float = 0.4,
  reach: int = 64,
) -> Array:
  """Draws polygons that do not overlap, best first: a map of their numbers.

  Non-maximum suppression and drawing in one: a polygon is left out where more
  than `overlap` of its pixels are of better ones, and else has those that are
  free. Takes as many turns as there are polygons, each of reach² pixels.

  Differs from the paper: a polygon is compared with all better ones together,
  by pixels, and not with each of them by the area that both share.

  Args:
    score: (b, p), best first; one of 0 is no polygon, nor are those after it.
    places: (b, p, 2) int32, y and x of the pixel that rays begin in.
    distances: (b, p, r) in pixels, to the polygon's corners.
    size: (h, w) of the map.
    overlap: part of a polygon.
    reach: pixels; longer distances are cut.

  Returns:
    (b, h, w) int32, numbered 1, 2, ... by score.
  """
  b, p = check_shape("score", score, "b p")
  *_, r = check_shape("distances", distances, f"{b} {p} r")
  check_shape("places", places, f"{b} {p} 2")
  if not 0 <= overlap <= 1:
    raise UserError(f"overlap: got {overlap}; expected a part, 0 to 1.")
  table = _Window(r, reach)

  def one(image: tuple[Array, Array, Array]) -> Array:
    return _draw(*image, table=table, size=size, overlap=overlap)

  draw = lambda *arrays: jax.lax.map(one, arrays)
  return per_image(draw)(score, places, distances)


def _follow(instances: Array, rays: int, grid: int, reach: int) -> Array:
  parts, around = _parts(instances, grid, reach)
  own = instances[:, ::grid, ::grid]
  unit = jnp.asarray(directions(rays), jnp.float32)

  def seen(move: Array) -> Array:
    start = around + move
    step = jnp.full_like(start, grid)
    cell = jax.lax.div(start, step)  # all are >= 0
    place = (*(start - cell * step), jnp.int32(0), *cell)
    return jax.lax.dynamic_slice(parts, place, (1, 1, *own.shape))[0, 0]

  def step(state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
    far, goes, length = state
    moves = jnp.round(far * unit).astype(jnp.int32)
    same = jnp.stack([seen(moves[i]) == own for i in range(rays)])
    goes = goes & same
    return far + 1, goes, length + goes

  goes = jnp.broadcast_to(own > 0, (rays, *own.shape))
  first = (jnp.float32(1), goes, jnp.zeros(goes.shape, jnp.int16))
  on = lambda state: (state[0] <= reach) & jnp.any(state[1])
  length = jax.lax.while_loop(on, step, first)[2]
  far = jnp.where(own > 0, length.astype(jnp.float32) + 0.5, 0)
  return jnp.moveaxis(far, 0, -1)


def _parts(instances: Array, grid: int, reach: int) -> tuple[Array, int]:
  """Returns a map with zeros around it, cut so that slices of it are whole.

  Returns:
    (grid, grid, b, h', w'), of which part (i, j) has every so many rows and
    columns from i and j on; and how many zeros there are before the first.
  """
  around = -(-reach // grid) * grid
  b, h, w = instances.shape
  after = [around + -n % grid for n in (h, w)]
  wide = jnp.pad(instances, ((0, 0), *((around, n) for n in after)))
  _, h, w = wide.shape
  cells = wide.reshape(b, h // grid, grid, w // grid, grid)
  return cells.transpose(2, 4, 0, 1, 3), around


class _Window:
  """Which pixels of a square around a place lie in a polygon.

  A pixel between rays i and i + 1 is a u_i + b u_(i + 1) of their unit vectors,
  and inside where a / d_i + b / d_(i + 1) <= 1, of their distances d.
  """

  def __init__(self, rays: int, reach: int):
    self.reach, self.side = reach, 2 * reach + 1
    unit = directions(rays)
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    turn = np.arctan2(y, x) % (2 * np.pi) * rays / (2 * np.pi)
    ray = np.minimum(turn.astype(np.int32), rays - 1)
    after = (ray + 1) % rays
    (y0, x0), (y1, x1) = (np.moveaxis(unit[i], -1, 0) for i in (ray, after))
    area = y1 * x0 - y0 * x1
    self._ray, self._after = ray, after
    self._parts = [
      np.float32(part / area) for part in (y1 * x - y * x1, y * x0 - y0 * x)
    ]

  def __call__(self, distances: Array) -> Array:
    """Returns the pixels (side, side) bool of a polygon's distances (r,)."""
    inverse = 1 / jnp.clip(distances, _LEAST, self.reach)
    ends = (inverse[self._ray], inverse[self._after])
    return self._parts[0] * ends[0] + self._parts[1] * ends[1] <= 1


def _draw(
  score: Array,
  places: Array,
  distances: Array,
  *,
  table: _Window,
  size: tuple[int, int],
  overlap: float,
) -> Array:
  """`draw_polygons` for one image."""
  reach, side = table.reach, table.side
  # What lies outside the image is -1, and neither free nor taken.
  canvas = jnp.pad(jnp.zeros(size, jnp.int32), reach, constant_values=-1)
  score = jnp.append(score, 0)

  def step(state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
    k, number, canvas = state
    window = jax.lax.dynamic_slice(canvas, places[k], (side, side))
    inside = table(distances[k]) & (window >= 0)
    taken = jnp.sum(inside & (window > 0))
    keep = taken <= overlap * jnp.sum(inside)
    free = inside & (window == 0) & keep
    number += jnp.any(free)
    window = jnp.where(free, number, window)
    return (
      k + 1,
      number,
      jax.lax.dynamic_update_slice(canvas, window, places[k]),
    )

  first = (jnp.int32(0), jnp.int32(0), canvas)
  drawn = jax.lax.while_loop(lambda s: score[s[0]] > 0, step, first)[2]
  return drawn[reach : reach + size[0], reach : reach + size[1]]
