"""Maps of numbered objects (b, h, w): their borders, and their parts joined.

0 is background, every object has a number of its own, below 2^16.
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp

from vision_jax.core.types import Array
from vision_jax.ops.local import per_image

IDS = 2**16  # numbers of objects are below it


def borders(instances: Array, width: int = 1) -> Array:
  """Whether a pixel of an object is near one that is not of it: (b, h, w).

  Beyond an image's border there is nothing.

  Args:
    instances: (b, h, w) int32.
    width: how far away that one is at most, in the larger of rows and columns.
  """
  largest, smallest = instances, -instances
  for _ in range(width):
    largest, smallest = largest_near(largest), largest_near(smallest)
  return (instances > 0) & ((largest != instances) | (-smallest != instances))


def components(there: Array, least: int = 1) -> Array:
  """Numbers the parts of masks (b, h, w) that hang together: int32, 1, 2, ...

  A pixel hangs together with its eight neighbours. Takes as many turns as the
  longest way is long.

  Args:
    there: bool.
    least: pixels; smaller parts are left out, and so are those after the first
      2^16 - 1.
  """
  return per_image(functools.partial(_components, least=least))(there)


def grown(seeds: Array, within: Array) -> Array:
  """Grows numbered objects (b, h, w), a pixel a turn, all equally fast.

  It is a watershed of a flat ground: a pixel is of the object that reaches it
  first, of two the one of the larger number. What none reaches is background.

  Args:
    seeds: int32.
    within: bool, where objects may grow.
  """

  def whole(seeds: Array, within: Array) -> Array:
    wider = lambda x: jnp.where(within & (x == 0), largest_near(x), x)
    return _until_it_stays(wider, seeds)

  return per_image(whole)(seeds, within)


def largest_near(x: Array) -> Array:
  """The largest of a pixel and its eight neighbours, of x (b, h, w)."""
  whole = jnp.issubdtype(x.dtype, jnp.integer)
  least = jnp.iinfo(x.dtype).min if whole else -jnp.inf
  for axis in (1, 2):
    around = [(1, 1) if i == axis else (0, 0) for i in range(3)]
    wide, n = jnp.pad(x, around, constant_values=least), x.shape[axis]
    parts = [jax.lax.slice_in_dim(wide, i, i + n, 1, axis) for i in range(3)]
    x = functools.reduce(jnp.maximum, parts)
  return x


def _components(there: Array, least: int) -> Array:
  b, h, w = there.shape
  first = jnp.arange(1, h * w + 1, dtype=jnp.int32).reshape(h, w)
  wider = lambda x: jnp.where(there, largest_near(x), 0)
  found = _until_it_stays(wider, jnp.where(there, first, 0)).reshape(b, -1)
  count = jax.vmap(lambda x: jnp.bincount(x, length=h * w + 1))(found)
  # A part has the place of its last pixel: the parts' order is that of these.
  real = (count >= max(least, 1)).at[:, 0].set(False)
  number = jnp.where(real, jnp.cumsum(real, 1), 0)
  number = jnp.where(number < IDS, number, 0).astype(jnp.int32)
  return jnp.take_along_axis(number, found, 1).reshape(b, h, w)


def _until_it_stays(step: Callable[[Array], Array], x: Array) -> Array:
  """Applies a step again and again, until nothing changes."""

  def again(state: tuple[Array, Array]) -> tuple[Array, Array]:
    new = step(state[0])
    return new, jnp.any(new != state[0])

  return jax.lax.while_loop(lambda s: s[1], again, (x, jnp.array(True)))[0]
