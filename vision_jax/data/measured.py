"""Mean and deviation of a data set's channels, of some of its images."""

import concurrent.futures
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from vision_jax.data.assembly import cores
from vision_jax.data.errors import BadImage, DataError, some
from vision_jax.data.source import Source, gathers
from vision_jax.data.transforms.base import Transform

MOST = 512  # images
_DIGITS = 6  # that are kept of a number


class Measured(NamedTuple):
  """What was measured, in the units of decoded pixels.

  Attributes:
    mean, std: of each channel; whole numbers are divided by their type's white,
      as `ops.inputs.normalize` does.
    images: how many were measured.
    skipped: names of bad images, which were left out.
  """

  mean: tuple[float, ...]
  std: tuple[float, ...]
  images: int
  skipped: tuple[str, ...]


def measure(
  source: Source,
  decode: Transform,
  *,
  seed: int,
  skip: bool = False,
  threads: int = 0,
  most: int = MOST,
) -> Measured:
  """Measures all pixels of at most `most` random images, in float64.

  The same seed gives the same numbers, whatever the threads.

  Args:
    source: any source.
    decode: makes `image` an array of what is read.
    seed: seed of the draw.
    skip: whether bad images are left out, which the result tells.
    threads: how many threads; 0 is one for each core.
    most: how many images are drawn.

  Raises:
    BadImage: if an image is bad, and not to be skipped.
    DataError: if none is left.
  """
  drawn = np.random.RandomState(seed).permutation(len(source))[:most]
  skipped: list[str] = []
  count, mean, square = 0, 0.0, 0.0
  for one in _moments(source, decode, np.sort(drawn), threads):
    if isinstance(one, BadImage):
      if not skip:
        raise one
      skipped.append(one.name)
      continue
    n, own, own_square = one  # merged as Chan, Golub and LeVeque (1979) do
    apart = own - mean
    square = square + own_square + apart**2 * (count * n / (count + n))
    mean, count = mean + apart * (n / (count + n)), count + n
  if not count:
    raise DataError(
      f"mean and std: none of the {len(drawn)} images that were drawn can be "
      f"decoded, {some(skipped)}; expected images."
    )
  std = np.sqrt(square / count)
  short = lambda x: tuple(float(f"{value:.{_DIGITS}g}") for value in x)
  images = len(drawn) - len(skipped)
  return Measured(short(mean), short(std), images, tuple(skipped))


def _moments(
  source: Source, decode: Transform, indices: np.ndarray, threads: int
) -> Iterator[tuple[int, np.ndarray, np.ndarray] | BadImage]:
  """Yields pixels, mean (c,) and sum of squares around it of each image."""

  def one(i: int) -> tuple[int, np.ndarray, np.ndarray] | BadImage:
    try:
      if gathers(source):
        batch = source.gather(np.array([i]))
        example = {"image": batch["image"][0]}
      else:
        (example,) = source.read(np.array([i]))
      pixels = decode(example, None)["image"]
    except BadImage as error:
      return error
    white = np.iinfo(pixels.dtype).max if pixels.dtype.kind == "u" else 1
    flat = pixels.reshape(-1, pixels.shape[-1]) / np.float64(white)
    mean = flat.mean(0)
    return len(flat), mean, np.square(flat - mean).sum(0)

  with concurrent.futures.ThreadPoolExecutor(threads or cores()) as pool:
    yield from pool.map(one, indices.tolist())
