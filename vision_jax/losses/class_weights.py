"""Weights of classes in a loss's mean, of how often they occur."""

from collections.abc import Sequence

import numpy as np

from vision_jax.errors import UserError


def check_class_weights(weights: Sequence[float] | None, classes: int) -> None:
  """Checks that there is a weight for each of a model's classes.

  Raises:
    UserError: naming both numbers.
  """
  if weights is not None and len(weights) != classes:
    raise UserError(
      f"class_weights: got {len(weights)} for {classes} classes; expected one "
      "for each."
    )


def median_frequency_weights(
  pixels: np.typing.ArrayLike, present: np.typing.ArrayLike
) -> np.ndarray:
  """Weights median(f) / f of classes: Eigen & Fergus (2015), SegNet (2015).

  A class's frequency f is its pixels over all pixels of the images that have
  it. A class without pixels has weight 0.

  Args:
    pixels: (k,) pixels of each class in the training set.
    present: (k,) known pixels of the images where the class is present.

  Returns:
    (k,) float32.
  """
  pixels, present = (np.asarray(x, np.float64) for x in (pixels, present))
  if pixels.shape != present.shape or pixels.ndim != 1 or not pixels.any():
    raise UserError(
      f"median_frequency_weights: got pixels {pixels.tolist()} and present "
      f"{present.tolist()}; expected a count for each class in both, and one "
      "pixel at least."
    )
  if (pixels < 0).any() or (present < pixels).any():
    raise UserError(
      f"median_frequency_weights: got pixels {pixels.tolist()} of "
      f"{present.tolist()}; expected 0 <= pixels <= present."
    )
  has = pixels > 0
  frequency = pixels[has] / present[has]
  weights = np.zeros(len(pixels), np.float32)
  weights[has] = np.median(frequency) / frequency
  return weights


def effective_number_weights(
  pixels: np.typing.ArrayLike, beta: float
) -> np.ndarray:
  """Weights by the effective number of pixels: Cui et al. (2019).

  A class with n pixels weighs (1 - beta) / (1 - beta ** n), and the weights of
  the classes that occur add up to their number. beta = 0 weighs all alike, and
  near 1 by inverse frequency: it is 1 - 1 / N where N pixels say all that there
  is to know of a class. A class without pixels has weight 0.

  Args:
    pixels: (k,) pixels of each class in the training set.
    beta: in [0, 1).

  Returns:
    (k,) float32.
  """
  pixels = np.asarray(pixels, np.float64)
  if not 0 <= beta < 1:
    raise UserError(f"beta of effective numbers: got {beta}; expected [0, 1).")
  if pixels.ndim != 1 or not pixels.any() or (pixels < 0).any():
    raise UserError(
      f"effective_number_weights: got pixels {pixels.tolist()}; expected a "
      "count for each class, and one pixel at least."
    )
  has = pixels > 0
  # 1 - beta ** n without a loss of digits where beta is near 1.
  number = np.ones(np.count_nonzero(has))
  if beta > 0:
    number = -np.expm1(pixels[has] * np.log(beta))
  each = (1 - beta) / number
  weights = np.zeros(len(pixels), np.float32)
  weights[has] = each * len(each) / each.sum()
  return weights
