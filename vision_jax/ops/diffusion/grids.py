"""Where samplers stop on the way from noise to an image: times and levels."""

from typing import NamedTuple

import numpy as np

from vision_jax.core.checks import check_name
from vision_jax.errors import UserError
from vision_jax.ops.diffusion.paths import Path, host_levels
from vision_jax.ops.diffusion.schedules import Schedule

# Where samplers of higher order begin: x is all noise there, and the larger
# ratios (the cosine schedule goes on to 20,000) would spoil the long steps.
NOISIEST = 200.0
SPACINGS = ("even", "quadratic")
QUADRATIC_END = 0.8  # of T: where DDIM's quadratic times begin to denoise
PATH_SPACINGS = ("even", "karras", "log_snr")
RATIOS = (0.002, 80.0)  # sigma / alpha, between which EDM samples
POWER = 7.0  # EDM's rho


class Grid(NamedTuple):
  """The noisiest time first; after the last comes the clean image.

  Attributes:
    t: (n,) times at which a denoiser is evaluated.
    alpha: (n + 1,) float64 factor of the image, 1 at the end.
    sigma: (n + 1,) float64 factor of the noise, 0 at the end.
  """

  t: np.ndarray
  alpha: np.ndarray
  sigma: np.ndarray


def scheduled(schedule: Schedule, t: np.ndarray) -> Grid:
  """Returns the grid of some times (n,) int32 of a schedule."""
  alpha, sigma = schedule.alpha[t], schedule.sigma[t]
  return Grid(t, np.append(alpha, 1.0), np.append(sigma, 0.0))


def path_grid(path: Path, steps: int, spacing: str = "even") -> Grid:
  """Returns a grid of `steps` steps on a path, from t = 1 to the clean image.

  Args:
    path: the path.
    steps: number of steps, of any solver.
    spacing: "even" in the path's time; "karras", denser where there is little
      noise as in EDM; or "log_snr", even in the logarithm of sigma / alpha.

  Raises:
    UserError: for fewer steps than one, or another spacing.
  """
  check_name("spacing", spacing, PATH_SPACINGS)
  if steps < 1:
    raise UserError(f"steps: got {steps} sampling steps; expected at least 1.")
  if spacing == "even":
    ends = path.sigma(np.zeros(1)).item() < 1e-4  # is t = 0 the clean image
    t = np.linspace(1, 0, steps + ends)[:steps]
  else:
    t = np.append(1.0, path.time(_ratios(spacing, steps))[1:])
  alpha, sigma = host_levels(path, t)
  return Grid(t.astype(np.float32), np.append(alpha, 1.0), np.append(sigma, 0))


def _ratios(spacing: str, steps: int) -> np.ndarray:
  """sigma / alpha at each step, (steps,)."""
  low, high = RATIOS
  if spacing == "log_snr":
    return np.geomspace(high, low, steps)
  return np.linspace(high ** (1 / POWER), low ** (1 / POWER), steps) ** POWER


def time_grid(
  schedule: Schedule, steps: int, *, cut: bool = False
) -> np.ndarray:
  """Returns `steps` times, evenly spaced, the noisiest first, (steps,) int32.

  With `cut`, without the times where sigma / alpha is above `NOISIEST`.

  Raises:
    UserError: for fewer than one or more than T.
  """
  last = _noisiest(schedule, steps, cut)
  grid = np.linspace(last, 0, steps) if steps > 1 else np.array([last])
  return np.round(grid).astype(np.int32)


def quadratic_grid(schedule: Schedule, steps: int) -> np.ndarray:
  """As `time_grid`, denser where there is little noise, from 0.8 T on.

  Of DDIM's CIFAR-10 (https://arxiv.org/abs/2010.02502, appendix D.2). With many
  steps some times are equal: such a step leaves the image as it is.
  """
  _noisiest(schedule, steps, cut=False)
  root = np.linspace(0, np.sqrt(QUADRATIC_END * schedule.steps), steps)
  return (root[::-1] ** 2).astype(np.int32)


def log_snr_grid(schedule: Schedule, steps: int) -> np.ndarray:
  """As `time_grid` with `cut`, evenly spaced in log(alpha / sigma)."""
  last = _noisiest(schedule, steps, cut=True)
  log_snr = np.log(schedule.alpha / schedule.sigma)
  wanted = np.linspace(log_snr[last], log_snr[0], steps)
  times = np.arange(schedule.steps)
  grid = np.round(np.interp(-wanted, -log_snr, times)).astype(np.int32)
  for i in reversed(range(steps - 1)):  # rounding may have made some equal
    grid[i] = max(grid[i], grid[i + 1] + 1)
  grid[0] = last
  for i in range(1, steps):
    grid[i] = min(grid[i], grid[i - 1] - 1)
  return grid


def _noisiest(schedule: Schedule, steps: int, cut: bool) -> int:
  """The time to begin at."""
  if not 1 <= steps <= schedule.steps:
    raise UserError(
      f"steps: got {steps} sampling steps; expected 1 to {schedule.steps}, the "
      "number of times that the model was trained on."
    )
  if not cut:
    return schedule.steps - 1
  below = np.flatnonzero(schedule.sigma <= NOISIEST * schedule.alpha)
  return max(int(below.max(initial=0)), steps - 1)
