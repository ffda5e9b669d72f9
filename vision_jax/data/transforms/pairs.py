"""Host transforms of images with what they are to become, `wanted`."""

import numpy as np

from vision_jax.data.errors import DataError
from vision_jax.data.images import decode_image, resize_image
from vision_jax.data.pickled import transform
from vision_jax.data.source import Example
from vision_jax.data.styles import STYLES, check_style
from vision_jax.data.transforms.base import Transform, name_of
from vision_jax.data.transforms.image import decoded


@transform
def decode_wanted(channels: int = 3, bits: int = 8) -> Transform:
  """Decodes `target`, an image's file, to `wanted` (h w channels).

  Goes after `decode`, whose image has to have its size. An example with
  `wanted` already stays as it is.

  Raises:
    BadImage: if it is no whole image.
    DataError: naming the file, if its size does not fit.
  """

  def apply(example: Example, rng: np.random.Generator | None) -> Example:
    del rng
    if "wanted" in example:
      return example
    example = dict(example)
    name = example.pop("target_name", f"of {name_of(example)}")
    wanted = decode_image(example.pop("target"), channels, name, bits=bits)
    shape = decoded(example, "decode_wanted").shape[:2]
    if wanted.shape[:2] != shape:
      raise DataError(
        f"target {name}: is {wanted.shape[:2]} (height, width), its image "
        f"{shape}; expected one size for both. Export it anew."
      )
    return example | {"wanted": wanted}

  return apply


@transform
def halves() -> Transform:
  """Divides `image`, two of one size side by side, into it and `wanted`.

  Raises:
    DataError: for an odd width, which says that it is one image.
  """

  def apply(example: Example, rng: np.random.Generator | None) -> Example:
    del rng
    image = decoded(example, "halves")
    h, w = image.shape[:2]
    if w % 2:
      raise DataError(
        f"image {name_of(example)}: is {h} x {w} (height x width); expected "
        "two of one size side by side, which have an even width. Single images "
        "go into folders, input and target, with the same names."
      )
    first, second = image[:, : w // 2], image[:, w // 2 :]
    return example | {"image": first, "wanted": second}

  return apply


@transform
def swap() -> Transform:
  """Exchanges `image` and `wanted`."""

  def apply(example: Example, rng: np.random.Generator | None) -> Example:
    del rng
    image, wanted = example["image"], example["wanted"]
    return example | {"image": wanted, "wanted": image}

  return apply


@transform
def resize_all(size: int) -> Transform:
  """Resizes `image`, and `wanted` where there is one, to a square."""

  def apply(example: Example, rng: np.random.Generator | None) -> Example:
    del rng
    keys = [key for key in ("image", "wanted") if key in example]
    square = lambda key: resize_image(example[key], (size, size))
    return example | {key: square(key) for key in keys}

  return apply


@transform
def with_style(style: str) -> Transform:
  """Adds `wanted`, what a filter makes of `image` (h w 3), see `STYLES`.

  Raises:
    DataError: for another style.
  """
  check_style("style", style)

  def apply(example: Example, rng: np.random.Generator | None) -> Example:
    del rng
    image = decoded(example, "with_style")
    return example | {"wanted": STYLES[style](image)}

  return apply
