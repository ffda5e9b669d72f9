"""The network that generated images are looked at through."""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np

from vision_jax.core.types import Array
from vision_jax.errors import UserError

_PUBLISHED = {"frechet": "fid", "kernel": "kid", "score": "inception_score"}


@dataclasses.dataclass(frozen=True, eq=False)
class Extractor:
  """A fixed network that metrics are measured through.

  Attributes:
    name: what metrics are called by.
    apply: (weights, image (b, h, w, c)) -> dict with `features` (b, d) and,
      where it is a classifier, `logits` (b, k).
    load: () -> (weights, shift): its weights, and a vector (d,) near the mean
      feature of real images (zeros will do), by which features are shifted
      before float32 products are added up. Called once, on first use.
    value_range: (lowest, highest) value of the pixels that `apply` takes.
    published: whether these are the published Inception weights.
  """

  name: str
  apply: Callable[[Any, Array], Mapping[str, Array]]
  load: Callable[[], tuple[Any, np.ndarray]]
  value_range: tuple[float, float] = (-1.0, 1.0)
  published: bool = False

  @functools.cached_property
  def state(self) -> dict[str, Any]:
    """The weights and the shift, loaded once."""
    weights, shift = self.load()
    return {"weights": weights, "shift": np.asarray(shift, np.float32)}

  def of_unit(self) -> "Extractor":
    """Returns the same network, of images in [0, 1]."""
    low, high = self.value_range
    apply = lambda weights, image: self.apply(
      weights, low + (high - low) * image
    )
    return dataclasses.replace(self, apply=apply, value_range=(0.0, 1.0))

  def metric(self, name: str) -> str:
    """Returns what a metric is called with this extractor."""
    if self.published and name in _PUBLISHED:
      return _PUBLISHED[name]
    return f"{name}_{self.name}"


def outside(image: Array, mask: Array, of: Any) -> Array:
  """How many values of the images that count are outside the range."""
  low, high = of.value_range
  slack = 1e-3 * (high - low)
  bad = ~((image >= low - slack) & (image <= high + slack))
  return jnp.sum(bad * mask.reshape(-1, *[1] * (image.ndim - 1)))


def check_range(sums: Mapping[str, Any], of: Any) -> None:
  """Checks the counts `outside_real` and `outside_fake`.

  Raises:
    UserError: if pixels are outside `of.value_range`.
  """
  for name, what in (("outside_real", "real"), ("outside_fake", "generated")):
    if sums.get(name, 0):
      low, high = of.value_range
      raise UserError(
        f"{what} images: {int(sums[name])} pixel values are outside [{low:g}, "
        f"{high:g}] or not a number; expected all within, as the metric takes "
        "them. Check the data's normalisation and the output's range."
      )
