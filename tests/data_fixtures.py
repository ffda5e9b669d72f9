"""Images and sources that several tests of the data package share."""

import io

import numpy as np
from PIL import Image

from vision_jax.data.source import Example
from vision_jax.data.sources.arrays import ArraySource
from vision_jax.data.transforms.base import Transform


def random_image(
  h: int = 40, w: int = 60, c: int = 3, seed: int = 0
) -> np.ndarray:
  """Returns a smooth random image (h w c) uint8, which JPEG keeps well."""
  rng = np.random.default_rng(seed)
  small = rng.integers(0, 256, (4, 5, 3), np.uint8)
  image = Image.fromarray(small).resize((w, h), Image.Resampling.BICUBIC)
  return np.asarray(image)[..., :c].copy()


def encode(image: np.ndarray, kind: str = "JPEG", **options: object) -> bytes:
  """Encodes (h w c) uint8 by Pillow."""
  file = io.BytesIO()
  pixels = image[..., 0] if image.shape[-1] == 1 else image
  Image.fromarray(pixels).save(file, kind, **options)
  return file.getvalue()


def to_float() -> Transform:
  """Makes `image` float32 in [0, 1]: a batched transform that changes types."""

  def apply(example: Example, rng: np.random.Generator | None) -> Example:
    del rng
    return example | {"image": example["image"] / np.float32(255)}

  apply.batched = True
  return apply


def numbered(n: int, num_classes: int = 10) -> ArraySource:
  """Returns n examples whose image and label tell which they are."""
  image = np.zeros((n, 2, 2, 1), np.uint8)
  image[:] = np.arange(n).reshape(-1, 1, 1, 1) % 256
  label = np.arange(n) % num_classes
  return ArraySource(
    {"image": image, "label": label, "row": np.arange(n)}, num_classes
  )


class Encoded:
  """n JPEGs, numbered by `row`; those in `bad` are cut short."""

  num_classes = 4

  def __init__(self, n: int, bad: tuple[int, ...] = ()):
    self.n, self.bad = n, bad

  def __len__(self) -> int:
    return self.n

  def read(self, indices: np.ndarray) -> list[Example]:
    """Returns encoded examples."""
    return [self._example(int(i)) for i in indices]

  def _example(self, i: int) -> Example:
    data = encode(random_image(seed=i))
    data = data[: len(data) // 2] if i in self.bad else data
    return {
      "image": data,
      "label": np.int32(i % 4),
      "row": np.int32(i),
      "name": f"{i}.jpg",
    }

  def fingerprint(self) -> str:
    """Returns a constant."""
    return "encoded"
