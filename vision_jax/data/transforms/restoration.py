"""Host transforms that make of an image what it is restored from.

They leave the image as it was under `clean`: `image` is then a smaller one, or
one with noise. `patch` cuts the same part out of both.
"""

import fractions

import numpy as np

from vision_jax.data.bicubic import imresize
from vision_jax.data.errors import DataError
from vision_jax.data.images import resize_image
from vision_jax.data.pickled import transform
from vision_jax.data.source import Example
from vision_jax.data.transforms.base import Transform, name_of
from vision_jax.data.transforms.image import decoded

SMALLER = ("bicubic", "pillow_bilinear", "pillow_bicubic")


@transform
def with_smaller(
  scale: int, method: str = "bicubic", *, enlarge: bool = False
) -> Transform:
  """Makes `image` scale times smaller, after cutting it to a multiple of it.

  Args:
    scale: how many times.
    method: "bicubic" is MATLAB's; "pillow_bilinear" and "pillow_bicubic" are
      Pillow's.
    enlarge: whether the smaller image is resized back, by MATLAB's bicubic, for
      nets that take images at their final size.

  Raises:
    DataError: for another method or scale, or an image smaller than the scale.
  """
  if scale < 1 or method not in SMALLER:
    raise DataError(
      f"with_smaller: got scale {scale} and method {method!r}; expected a "
      f"scale of 1 or more and one of {', '.join(SMALLER)}."
    )

  def apply(example: Example, rng: np.random.Generator | None) -> Example:
    del rng
    image = decoded(example, "with_smaller")
    h, w = (n // scale * scale for n in image.shape[:2])
    if not h * w:
      raise DataError(
        f"with_smaller: {name_of(example)} is {image.shape[0]} x "
        f"{image.shape[1]}; expected {scale} pixels at least on each side."
      )
    clean = image[:h, :w]
    if method == "bicubic":
      small = imresize(clean, fractions.Fraction(1, scale))
    else:
      size = (h // scale, w // scale)
      small = resize_image(clean, size, method.removeprefix("pillow_"))
    image = imresize(small, scale) if enlarge else small
    return example | {"image": image, "clean": clean}

  return apply


@transform
def larger(scale: int) -> Transform:
  """Makes `image` scale times larger, by MATLAB's bicubic."""

  def apply(example: Example, rng: np.random.Generator | None) -> Example:
    del rng
    return example | {"image": imresize(decoded(example, "larger"), scale)}

  return apply


@transform
def with_larger(scale: int) -> Transform:
  """Adds `given`: `image`, scale times larger by MATLAB's bicubic."""

  def apply(example: Example, rng: np.random.Generator | None) -> Example:
    del rng
    return example | {"given": imresize(decoded(example, "with_larger"), scale)}

  return apply


@transform
def with_noise(sigma: float, most: float | None = None) -> Transform:
  """Adds Gaussian noise to `image`, which becomes float32 and is not clipped.

  Its deviation is added as `noise`, a share of white.

  Args:
    sigma: standard deviation, in levels of 255.
    most: a deviation is drawn from sigma to this for each image; None for
      `sigma` itself.

  Raises:
    DataError: for a negative sigma, or a smaller `most`.
  """
  if not 0 <= sigma <= (sigma if most is None else most):
    raise DataError(
      f"with_noise: got sigma {sigma} to {most}; expected 0 or more, and the "
      "smaller one first."
    )

  def apply(example: Example, rng: np.random.Generator | None) -> Example:
    if rng is None:
      raise DataError(
        "with_noise: is random, so it belongs in the Loader's transforms or "
        "those of `Transformed`."
      )
    given = decoded(example, "with_noise")
    level = sigma if most is None else rng.uniform(sigma, most)
    drawn = rng.standard_normal(given.shape, np.float32)
    white = 1 if given.dtype.kind == "f" else np.iinfo(given.dtype).max
    image = given / np.float32(white) + drawn * np.float32(level / 255)
    noise = np.float32(level / 255)
    return {"clean": given} | example | {"image": image, "noise": noise}

  return apply


@transform
def patch(size: int, scale: int = 1, *, turn: bool = True) -> Transform:
  """Cuts a random square out of `image`, and of `clean` and what else there is.

  That is `instances` and `wanted`, which have the image's size.

  Args:
    size: side of the square in `image`.
    scale: how many times larger `clean` is.
    turn: whether both are then mirrored and turned by right angles at random.

  Raises:
    DataError: for images that are smaller.
  """

  def apply(example: Example, rng: np.random.Generator | None) -> Example:
    if rng is None:
      raise DataError("patch: is random; put it into the Loader's transforms.")
    h, w = decoded(example, "patch").shape[:2]
    if min(h, w) < size:
      raise DataError(
        f"patch: {name_of(example)} is {h} x {w}, of which no square of {size} "
        "can be cut out. Take smaller patches, or leave small images out."
      )
    top, left = (int(rng.integers(n - size + 1)) for n in (h, w))
    quarters, mirrored = int(rng.integers(4)), bool(rng.integers(2))
    found = {}
    alike = dict.fromkeys(("image", "instances", "wanted"), 1)
    for key, times in (alike | {"clean": scale}).items():
      if key in example:
        rows = slice(top * times, (top + size) * times)
        columns = slice(left * times, (left + size) * times)
        part = example[key][rows, columns]
        if turn:
          part = np.rot90(part[:, ::-1] if mirrored else part, quarters)
        found[key] = part
    return example | found

  return apply
