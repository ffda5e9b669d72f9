"""Maps of depth as files have them: decoded to metres, and resized."""

import cv2
import numpy as np

from vision_jax.data.bands import is_npy, stored
from vision_jax.data.errors import DataError
from vision_jax.data.images import resize_image
from vision_jax.data.pickled import transform
from vision_jax.data.reading import reading
from vision_jax.data.source import Example
from vision_jax.data.transforms.base import Transform, name_of
from vision_jax.data.transforms.image import decoded
from vision_jax.data.transforms.masks import open_mask


@transform
def decode_depth(unit: float) -> Transform:
  """Decodes `target`, a map's file, to `depth` (h w) float32, in metres.

  Files are lossless and have a whole number for each pixel (PNG of 16 bits), or
  are npy with numbers of any kind. 0, what is negative and what is not finite
  say that there is no depth. Goes after `decode`, whose image has to have the
  map's size.

  Args:
    unit: metres that a value of 1 is: 0.001 for millimetres (NYU), 1 / 256 for
      KITTI, 1 for metres.

  Raises:
    BadImage: if the map is no whole image.
    DataError: naming the map, if its size does not fit or it has channels; for
      a unit that is not above 0.
  """
  if not 0 < unit < float("inf"):
    raise DataError(f"depth_unit: got {unit}; expected metres, above 0.")

  def apply(example: Example, rng: np.random.Generator | None) -> Example:
    del rng
    if "depth" in example:  # drawn, not read
      return example
    example = dict(example)
    data = example.pop("target")
    name = example.pop("target_name", f"of {name_of(example)}")
    depth = _opened(data, name)
    image = decoded(example, "decode_depth").shape[:2]
    if depth.shape != image:
      raise DataError(
        f"depth {name}: is {depth.shape} (height, width), its image {image}; "
        "expected a map of one channel and of the image's size. Export it anew."
      )
    return example | {"depth": np.float32(depth * unit)}

  return apply


@transform
def resize_with_depth(size: tuple[int, int]) -> Transform:
  """Resizes `image` to (height, width), and `depth` by its nearest pixels.

  What lies between two depths is none: interpolation would invent it.
  """

  def apply(example: Example, rng: np.random.Generator | None) -> Example:
    del rng
    image = decoded(example, "resize_with_depth")
    depth = cv2.resize(
      example["depth"],
      tuple(size)[::-1],
      interpolation=cv2.INTER_NEAREST_EXACT,
    )
    return example | {
      "image": resize_image(image, tuple(size)),
      "depth": depth,
    }

  return apply


def _opened(data: bytes, name: str) -> np.ndarray:
  if not is_npy(data):
    return open_mask(data, name).astype(np.float64)
  with reading(name, data):
    depth = stored(data).astype(np.float64)
  return depth[..., 0] if depth.ndim == 3 and depth.shape[-1] == 1 else depth
