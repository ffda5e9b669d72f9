"""What is known of the real images that generated ones meet, in a file."""

import dataclasses
import hashlib
import io
import zipfile
from typing import Any

import jax
import numpy as np
from etils import epath

from vision_jax.errors import UserError
from vision_jax.files import replace_bytes
from vision_jax.metrics.generation_distances import Moments

_KNOWN = ("extractor", "weights", "count", "pixel")
NEAR = 1e-4  # of the pixels' range: sums are in another order elsewhere


@dataclasses.dataclass(frozen=True, eq=False)
class Reference:
  """Statistics of real images, seen through an extractor.

  Attributes:
    moments: of their features.
    features: (n, d), where they were wanted; else None.
    count: images; 0 where the file does not tell, as pytorch-fid's.
    pixel: the mean of all their pixels, by which other images are noticed;
      likewise NaN.
  """

  moments: Moments
  features: np.ndarray | None
  count: int
  pixel: float

  def check(self, count: int, pixel: float, path: str) -> None:
    """Refuses statistics of other images than those of an evaluation.

    Raises:
      UserError: if there are not as many, or their pixels are others.
    """
    fix = "expected statistics of these. Name another file."
    if self.count not in (0, count):
      raise UserError(
        f"reference: {path} is of {self.count} real images, and there are "
        f"{count} here; {fix}"
      )
    if abs(self.pixel - pixel) > NEAR:  # never of NaN
      raise UserError(
        f"reference: {path} is of real images whose pixels are "
        f"{self.pixel:.5g} on average, and here they are {pixel:.5g}; {fix}"
      )


def read_reference(path: str, extractor: str, weights: str) -> Reference | None:
  """Returns the statistics of a file; None where there is no file yet.

  Args:
    path: an .npz, ours or one of pytorch-fid's, with `mu` and `sigma`.
    extractor: name of what images are seen through.
    weights: its `digest`.

  Raises:
    UserError: for something else, or statistics by another extractor.
  """
  file = epath.Path(path)
  if not file.exists():
    return None
  try:
    with np.load(io.BytesIO(file.read_bytes()), allow_pickle=False) as arrays:
      found = dict(arrays)
    moments = np.asarray(found["mu"], float), np.asarray(found["sigma"], float)
  except (ValueError, KeyError, OSError, zipfile.BadZipFile) as error:
    raise UserError(
      f"reference: {path} cannot be read ({error}); expected an .npz with `mu` "
      "(d,) and `sigma` (d, d), or no file, where one is written."
    ) from error
  mean, covariance = moments
  if mean.ndim != 1 or covariance.shape != 2 * mean.shape:
    raise UserError(
      f"reference: {path} has mu {mean.shape} and sigma {covariance.shape}; "
      "expected (d,) and (d, d)."
    )
  for name, own in (("extractor", extractor), ("weights", weights)):
    if (theirs := str(found.get(name, own))) != own:
      raise UserError(
        f"reference: {path} was made by {name} {theirs}; expected {own}, as "
        "features of other nets cannot be compared. Name another file."
      )
  count = int(found.get("count", 0))
  moments, pixel = Moments(mean, covariance, count), found.get("pixel", np.nan)
  return Reference(moments, found.get("features"), count, float(pixel))


def write_reference(
  path: str, reference: Reference, extractor: str, weights: str
) -> None:
  """Writes statistics whole, as `read_reference` reads them."""
  moments, features = reference.moments, reference.features
  arrays = {"mu": moments.mean, "sigma": moments.covariance}
  if features is not None:
    arrays["features"] = features
  values = (extractor, weights, reference.count, reference.pixel)
  known = dict(zip(_KNOWN, values, strict=True))
  buffer = io.BytesIO()
  np.savez(buffer, **arrays, **known)
  replace_bytes(path, buffer.getvalue())


def digest(weights: Any) -> str:
  """Returns what tells an extractor's weights from others."""
  found = hashlib.sha256()
  for leaf in jax.tree.leaves(weights):
    found.update(np.ascontiguousarray(leaf).tobytes())
  return found.hexdigest()[:16]
