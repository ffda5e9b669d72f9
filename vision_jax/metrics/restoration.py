"""How near restored images are to what they were: PSNR, SSIM, absolute error.

All are of each image by itself, and a data set's is the mean over images, as
published. Peak 1: pixels are in [0, 1].
"""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np

from vision_jax.core.types import Array, Batch, Mean
from vision_jax.errors import UserError
from vision_jax.ops.luma import check_kind, luma

WINDOW, SIGMA = 11, 1.5  # of SSIM: Wang et al. (2004)
K1, K2 = 0.01, 0.03


@dataclasses.dataclass(frozen=True)
class ImageQuality:
  """Mean PSNR in decibels, mean SSIM and others, of a data set's images.

  `out` has `restored` (b, h, w, c) and the batch `clean` of the same shape,
  both in [0, 1], and `mask` (b,). Where images are of luma alone, `out` has
  also `luma` (b, h, w, 1), of the same kind, which is measured in its place.

  Attributes:
    luma: of colours, which luma is compared, see `ops.luma`; "" compares all
      channels. Grey images are compared as they are.
    shave: pixels at each border that do not count, the scale as a rule.
    rounded: whether what is restored is rounded to 8 bits first, as a file of
      it would be. It is clipped to [0, 1] in any case.
    given: whether `given_psnr` is measured too, of what the net was given: the
      batch's `given` (b, h, w, c), which bicubic has enlarged, or its `image`.
    l1: whether the mean absolute error is measured too, `l1` and `given_l1`.
  """

  luma: str = ""
  shave: int = 0
  rounded: bool = False
  given: bool = False
  l1: bool = False
  state: ClassVar[Any] = None

  def __post_init__(self):
    if self.luma:
      check_kind(self.luma)

  @property
  def names(self) -> tuple[str, ...]:
    """Of what it measures."""
    found = ["psnr", "ssim", *["l1"] * self.l1]
    own = (x for x in found if self.given and x != "ssim")
    return (*found, *(f"given_{x}" for x in own))

  def measure(
    self, state: Any, out: Any, batch: Batch
  ) -> tuple[dict[str, Array], dict[str, Array]]:
    """Sums each over images."""
    del state
    guess, truth = out["restored"], batch["clean"]
    if guess.shape != truth.shape:
      raise UserError(
        f"clean: got {truth.shape} and restored images {guess.shape}; expected "
        "one shape. Check the scale of the net and that of the data."
      )
    guess = self._levels(guess)
    if self.luma and truth.shape[-1] == 3:
      truth, guess = luma(truth, self.luma), luma(guess, self.luma)
      guess = self._levels(out["luma"]) if "luma" in out else guess
    truth, guess = (_shaved(x, self.shave) for x in (truth, guess))
    found = {"psnr": psnr(truth, guess), "ssim": ssim(truth, guess)}
    if self.l1:
      found["l1"] = _mean(jnp.abs(truth - guess))
    if self.given:
      given = self._given(batch)
      found["given_psnr"] = psnr(truth, given)
      if self.l1:
        found["given_l1"] = _mean(jnp.abs(truth - given))
    return {k: Mean.of(x, batch["mask"]) for k, x in found.items()}, {}

  def result(self, sums: Mapping, rows: Mapping) -> dict[str, float]:
    """Divides by the number of images; equal ones have a PSNR of infinity."""
    del rows
    return {k: float(x.total / max(x.count, 1)) for k, x in sums.items()}

  def _given(self, batch: Batch) -> Array:
    given = self._levels(batch.get("given", batch["image"]))
    if self.luma and given.shape[-1] == 3:
      given = luma(given, self.luma)
    return _shaved(given, self.shave)

  def _levels(self, image: Array) -> Array:
    image = jnp.clip(image, 0, 1)
    return jnp.round(image * 255) / 255 if self.rounded else image


def psnr(truth: Array, guess: Array) -> Array:
  """Peak signal-to-noise ratio of images (b, h, w, c) in [0, 1]: (b,) dB."""
  return -10 * jnp.log10(_mean((truth - guess) ** 2))


def ssim(truth: Array, guess: Array) -> Array:
  """Structural similarity of images (b, h, w, c) in [0, 1]: (b,).

  Of Gaussian windows that lie within the image, and the mean over them and
  over channels. Wang et al. (2004).

  Raises:
    UserError: if an image is smaller than a window.
  """
  if min(truth.shape[1:3]) < WINDOW:
    raise UserError(
      f"ssim: got images {truth.shape[1:3]}; expected {WINDOW} pixels at least "
      "on each side, after the borders are left out."
    )
  # A part of the means is taken away first: the variances are differences.
  shift = jnp.mean(truth, (1, 2), keepdims=True)
  x, y = truth - shift, guess - shift
  mean_x, mean_y = _blurred(x), _blurred(y)
  var_x = _blurred(x * x) - mean_x**2
  var_y = _blurred(y * y) - mean_y**2
  cov = _blurred(x * y) - mean_x * mean_y
  mean_x, mean_y = mean_x + shift, mean_y + shift
  c1, c2 = K1**2, K2**2
  above = (2 * mean_x * mean_y + c1) * (2 * cov + c2)
  below = (mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2)
  return _mean(above / below)


def _blurred(x: Array) -> Array:
  """Weights x (b, h, w, c) by a Gaussian, along one axis after the other.

  Shifted sums and no convolution, which accelerators round.
  """
  h, w = x.shape[1] - WINDOW + 1, x.shape[2] - WINDOW + 1
  weights = _gaussian()
  x = sum(weights[i] * x[:, i : i + h] for i in range(WINDOW))
  return sum(weights[i] * x[:, :, i : i + w] for i in range(WINDOW))


@functools.cache
def _gaussian() -> tuple[float, ...]:
  places = np.arange(WINDOW) - WINDOW // 2
  weights = np.exp(-0.5 * (places / SIGMA) ** 2)
  return tuple((weights / weights.sum()).tolist())


def _mean(x: Array) -> Array:
  """The mean of each image, row by row, so that float32 adds few at a time."""
  return jnp.mean(jnp.mean(jnp.mean(x, 3), 2), 1)


def _shaved(x: Array, border: int) -> Array:
  h, w = x.shape[1:3]
  if min(h, w) <= 2 * border:
    raise UserError(
      f"shave: got {border} pixels at each border of images {h} x {w}; "
      "expected some to be left."
    )
  return x[:, border : h - border, border : w - border]
