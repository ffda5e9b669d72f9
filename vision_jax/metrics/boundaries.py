"""Segmentation near boundaries: F1 of the boundaries, and a trimap's IoU.

Written once for arrays of the device and of the host: `xp` is jax.numpy or
numpy. Distances are Euclidean, between centres of pixels.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from vision_jax.core.types import Array
from vision_jax.errors import UserError
from vision_jax.metrics.confusion import device_confusion, host_confusion


@dataclasses.dataclass(frozen=True)
class Boundaries:
  """What is measured near boundaries, of labels (b, h, w).

  Boundary F1, Csurka et al. (2013): a pixel is of its class's boundary if one
  of its four neighbours has another class. Precision is the part of the
  predicted boundary within `tolerance` of the true one, recall the reverse; F1
  is of a class in an image, and the mean over the images in which either has a
  boundary. A border with pixels that do not count is no boundary, and neither
  is the image's; predicted boundaries on such pixels do not count.

  Trimap, Kohli et al. (2009): only pixels within `band` of a change of the true
  label count; a change to what does not count is one, since data sets draw
  borders so.

  Attributes:
    num_classes: k.
    ignore: the label of pixels that do not count; None counts all.
    tolerance: pixels, 2 as published; 0 leaves boundary F1 out.
    band: pixels to each side; 0 leaves the trimap out.
  """

  num_classes: int
  ignore: int | None
  tolerance: int = 0
  band: int = 0

  def __post_init__(self):
    for name in ("tolerance", "band"):
      value = getattr(self, name)
      if value < 0 or value != int(value):
        raise UserError(
          f"{name} of boundaries: got {value}; expected a whole number of "
          "pixels, 0 for none."
        )

  def names(self, class_names: Sequence[str]) -> tuple[str, ...]:
    """Names of what it measures, boundary F1 of each class too."""
    each = tuple(f"boundary_f1/{name}" for name in class_names)
    f1 = ("boundary_f1", *each) if self.tolerance else ()
    return (*f1, "trimap_miou") if self.band else f1

  def sums(self, truth: Array, guess: Array, real: Array) -> dict[str, Array]:
    """Sums over images on the device; all (b, h, w), `real` what counts."""
    k, found = self.num_classes, {}
    if self.tolerance:
      f1 = lambda c: self._f1(c, truth, guess, real, jnp)
      total, images = jax.lax.map(f1, jnp.arange(k))
      found |= {"boundary_f1": total, "boundary_images": images}
    if self.band:
      within = near(_changes(truth, jnp), self.band, jnp) & real
      found["trimap"] = device_confusion(truth, guess, within, k)
    return found

  def host_sums(self, truth: np.ndarray, guess: np.ndarray) -> dict[str, Any]:
    """The same of one image (h, w) on the host."""
    truth, guess, found = truth[None], guess[None], {}
    real = np.full(truth.shape, True)
    if self.ignore is not None:
      real = truth != self.ignore
    if self.tolerance:
      classes = range(self.num_classes)
      each = [self._f1(c, truth, guess, real, np) for c in classes]
      total, images = np.array(each).T
      found |= {"boundary_f1": total, "boundary_images": images}
    if self.band:
      within = near(_changes(truth, np), self.band, np) & real
      found["trimap"] = host_confusion(
        truth[within], guess[within], self.num_classes, ignore=None
      )
    return found

  def f1(self, sums: Mapping, class_names: Sequence[str]) -> dict[str, float]:
    """Reads boundary F1 off the sums: its mean over classes, and each."""
    if not self.tolerance:
      return {}
    total, images = (
      np.asarray(sums[x], np.float64)
      for x in ("boundary_f1", "boundary_images")
    )
    has = images > 0
    if not has.any():
      return {}
    each = total / np.where(has, images, 1)
    found = {"boundary_f1": float(each[has].mean())}
    return found | {
      f"boundary_f1/{name}": float(each[i])
      for i, name in enumerate(class_names)
      if has[i]
    }

  def _f1(self, c, truth, guess, real, xp: ModuleType):
    """Sum over images of a class's F1, and the number of its images."""
    true = _changes(truth, xp, real) & (truth == c)
    found = _changes(guess, xp) & (guess == c)
    counted = found & real
    count = lambda x: x.sum((1, 2), dtype=np.int32)
    of_true, of_found = count(true), count(counted)
    recall = _part(count(true & near(found, self.tolerance, xp)), of_true, xp)
    hits = count(counted & near(true, self.tolerance, xp))
    precision = _part(hits, of_found, xp)
    f1 = _part(2 * precision * recall, precision + recall, xp)
    return f1.sum(), (of_true + of_found > 0).sum(dtype=np.int32)


def near(x: Array, radius: int, xp: ModuleType) -> Array:
  """Which pixels (b, h, w) have one of x within `radius` of them.

  Exact: a row that is dy away reaches as far to the sides as its disk does.
  """
  wide = [x]
  for dx in range(1, radius + 1):
    wide.append(wide[-1] | _moved(x, 0, dx, xp) | _moved(x, 0, -dx, xp))
  found = wide[radius]
  for dy in range(1, radius + 1):
    row = wide[math.isqrt(radius**2 - dy**2)]
    found = found | _moved(row, dy, 0, xp) | _moved(row, -dy, 0, xp)
  return found


def _changes(label: Array, xp: ModuleType, real: Array | None = None) -> Array:
  """Which pixels have one of four neighbours of another label, (b, h, w).

  With `real`, both have to be among these.
  """
  down = label[:, 1:] != label[:, :-1]
  right = label[:, :, 1:] != label[:, :, :-1]
  if real is not None:
    down = down & real[:, 1:] & real[:, :-1]
    right = right & real[:, :, 1:] & real[:, :, :-1]
  pad = lambda x, *around: xp.pad(x, ((0, 0), *around))
  none, first, last = (0, 0), (1, 0), (0, 1)
  rows = pad(down, first, none) | pad(down, last, none)
  return rows | pad(right, none, first) | pad(right, none, last)


def _moved(x: Array, dy: int, dx: int, xp: ModuleType) -> Array:
  """Moves x (b, h, w) by (dy, dx); what comes in is false."""
  _, h, w = x.shape
  around = [(max(n, 0), max(-n, 0)) for n in (dy, dx)]
  x = xp.pad(x, ((0, 0), *around))
  top, left = max(-dy, 0), max(-dx, 0)
  return x[:, top : top + h, left : left + w]


def _part(some: Array, of: Array, xp: ModuleType) -> Array:
  return xp.where(of > 0, some / xp.where(of > 0, of, 1), 0)
