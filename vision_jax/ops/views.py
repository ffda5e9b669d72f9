"""An image seen several times, mirrored and at other sizes: maps, boxes."""

import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp

from vision_jax.core.types import Array
from vision_jax.errors import UserError
from vision_jax.ops.shapes import check_shape


class Seen(NamedTuple):
  """A view of images.

  Attributes:
    image: (b, h', w', c).
    mirrored: whether left and right are exchanged.
  """

  image: Array
  mirrored: bool

  def boxes_of(self, image: Array, boxes: Array) -> Array:
    """Returns a view's boxes (..., 4), xyxy in pixels, where they are in image.

    Args:
      image: (b, h, w, c) that is seen.
      boxes: of the view.
    """
    if self.mirrored:
      x0, y0, x1, y1 = jnp.split(boxes, 4, -1)
      w = self.image.shape[2]
      boxes = jnp.concatenate([w - x1, y0, w - x0, y1], -1)
    (h, w), sides = image.shape[1:3], self.image.shape[1:3]
    if (h, w) == sides:
      return boxes
    return boxes * jnp.array([w / sides[1], h / sides[0]] * 2, boxes.dtype)


@dataclasses.dataclass(frozen=True)
class Views:
  """Views of images, whose maps are put back and averaged, or boxes put back.

  Each scale is one view, and with `flip` its mirror image another. Sizes are
  rounded; images and maps are interpolated linearly, with antialiasing.

  Attributes:
    scales: how many times larger an image is seen.
    flip: whether each view is also seen with left and right exchanged.

  Raises:
    UserError: for a scale that is not above 0, or none.
  """

  scales: Sequence[float] = (1.0,)
  flip: bool = False

  def __post_init__(self):
    good = [math.isfinite(x) and x > 0 for x in self.scales]
    if not good or not all(good):
      raise UserError(
        f"scales of views: got {tuple(self.scales)}; expected numbers above 0, "
        "1.0 for the image as it is, such as 0.75, 1.0, 1.25."
      )

  def __call__(self, fn: Callable[[Array], Array], image: Array) -> Array:
    """Returns the mean of fn's maps of image (b, h, w, c): (b, h, w, k).

    Args:
      fn: (b, h', w', c) -> (b, h', w', k), at any size.
      image: the images.
    """
    _, h, w, _ = check_shape("image", image, "b h w c")
    total = 0.0
    for seen, mirrored in self.of(image):
      maps = fn(seen)
      total += _resized(maps[:, :, ::-1] if mirrored else maps, h, w)
    return total / (len(self.scales) * (1 + self.flip))

  def of(self, image: Array) -> Iterator[Seen]:
    """Yields the views of image (b, h, w, c)."""
    _, h, w, _ = check_shape("image", image, "b h w c")
    for scale in self.scales:
      seen = _resized(image, *(max(round(n * scale), 1) for n in (h, w)))
      yield Seen(seen, False)
      if self.flip:
        yield Seen(seen[:, :, ::-1], True)


def _resized(x: Array, h: int, w: int) -> Array:
  if x.shape[1:3] == (h, w):
    return x
  shape = (x.shape[0], h, w, x.shape[3])
  return jax.image.resize(x.astype(jnp.float32), shape, "linear")
