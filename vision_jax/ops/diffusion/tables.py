"""Samplers as tables of numbers: one line an evaluation of the denoiser.

With D_n the image denoised at x_n, all of them are the recurrence

  x_{n+1} = keep x_n + back x_{n-1} + now D_n + before D_{n-1} + noise z

so that one compiled scan runs each, on schedules and on paths. From level t to
a cleaner level s; after the last time comes the clean image, alpha = 1 and
sigma = 0.
"""

from typing import NamedTuple

import numpy as np

from vision_jax.core.checks import check_name
from vision_jax.errors import UserError
from vision_jax.ops.diffusion.grids import Grid

VARIANCES = ("small", "large", "learned")


class Table(NamedTuple):
  """The recurrence's factors, (n,) each; see the module.

  Attributes:
    t: time at which the denoiser is evaluated, as of the grid; or two (n, 2).
    keep: factor of x_n.
    back: factor of x_{n-1}.
    now: factor of D_n.
    before: factor of D_{n-1}.
    noise: standard deviation of fresh noise (the smallest, if learned).
    log_ratio: logarithm of the largest variance by the smallest, where it is
      learned.
  """

  t: np.ndarray
  keep: np.ndarray
  back: np.ndarray
  now: np.ndarray
  before: np.ndarray
  noise: np.ndarray
  log_ratio: np.ndarray


def ddim(grid: Grid, eta: float = 0.0) -> Table:
  """DDIM: https://arxiv.org/abs/2010.02502, equation 12.

  eta = 0 is deterministic: Euler's method on x / alpha as a function of
  sigma / alpha, and on every path the same as Euler's with the velocity where
  that path is straight. 1 is DDPM with the smaller variance.
  """
  if not 0 <= eta <= 1:
    raise UserError(f"eta: got {eta}; expected 0 (no noise) to 1 (DDPM).")
  noise = eta * np.sqrt(_posterior_variance(grid))
  now, keep = _towards(grid, noise)
  return _table(grid.t, keep=keep, now=now, noise=noise)


def ddpm(grid: Grid, variance: str = "large") -> Table:
  """Ancestral sampling: https://arxiv.org/abs/2006.11239, algorithm 2.

  With fewer steps than T, on the schedule of the chosen times
  (https://arxiv.org/abs/2102.09672). The variance is beta ("large"), the
  posterior's ("small"), or "learned" between them.
  """
  check_name("variance", variance, VARIANCES)
  small, large = _posterior_variance(grid), _forward_variance(grid)
  now, keep = _towards(grid, np.sqrt(small))
  fresh = grid.sigma[1:] > 0
  noise = np.where(fresh, np.sqrt(large if variance == "large" else small), 0)
  ratio = np.where(fresh, large / np.where(fresh, small, 1), 1)
  learned = variance == "learned"
  return _table(
    grid.t, keep=keep, now=now, noise=noise, log_ratio=np.log(ratio) * learned
  )


def dpmpp(grid: Grid) -> Table:
  """DPM-Solver++(2M): https://arxiv.org/abs/2211.01095, algorithm 2.

  Second order from the denoised images of two times; first order at the first
  step and at the last one, whose logarithmic length is infinite, and after a
  first one that begins without any of the image.
  """
  now, keep = _towards(grid, 0.0)  # first order: DDIM
  with np.errstate(divide="ignore"):
    half_log_snr = np.log(grid.alpha[:-1] / grid.sigma[:-1])
  h = np.diff(half_log_snr)  # (n - 1,) lengths of all steps but the last
  before = np.zeros(len(grid.t))
  extra = h[1:] / (2 * h[:-1])
  before[1:-1] = -now[1:-1] * extra
  return _table(grid.t, keep=keep, now=now - before, before=before)


def heun(grid: Grid, mixed: bool = False) -> Table:
  """Heun's method: Karras et al., https://arxiv.org/abs/2206.00364.

  On x / alpha as a function of sigma / alpha, as in the paper; where `mixed` on
  x / (alpha + sigma) as a function of sigma / (alpha + sigma), which are the
  image and the time of the rectified path, and finite where alpha is 0. Two
  evaluations a step and one in the last: 2 steps - 1 in all.
  """
  now, keep = _towards(grid, 0.0)  # Euler's step is DDIM, in either unit
  unit = grid.alpha + grid.sigma if mixed else grid.alpha
  rows = 2 * len(grid.t) - 1
  table = {k: np.zeros(rows) for k in ("keep", "back", "now", "before")}
  table["keep"][::2], table["now"][::2] = keep, now
  unit_t, unit_s = unit[:-2], unit[1:-1]
  noise_t, noise_s = grid.sigma[:-2] / unit_t, grid.sigma[1:-1] / unit_s
  half = (noise_s - noise_t) / 2
  table["back"][1::2] = unit_s / unit_t * (1 + half / noise_t)
  table["before"][1::2] = -unit_s * half / noise_t
  table["keep"][1::2] = half / noise_s
  table["now"][1::2] = -unit_s * half / noise_s
  t = np.concatenate([grid.t[:1], np.repeat(grid.t[1:], 2)])
  return _table(t, **table)


def mean_flow(grid: Grid) -> Table:
  """MeanFlow: https://arxiv.org/abs/2505.13447, equation 12.

  x_r = x_t - (t - r) u, exact where u is the flow's average velocity between
  them. The denoiser is told both times, (n, 2), and says D = x_t - t u.
  """
  t = grid.t
  r = np.append(t[1:], t.dtype.type(0))
  return _table(np.stack([t, r], axis=-1), keep=r / t, now=1 - r / t)


def _forward_variance(grid: Grid) -> np.ndarray:
  """Variance of x_t given x_s: beta, on the chosen times."""
  return 1 - (grid.alpha[:-1] / grid.alpha[1:]) ** 2


def _posterior_variance(grid: Grid) -> np.ndarray:
  """Variance of x_s given x_t and the image."""
  ratio = grid.sigma[1:] / grid.sigma[:-1]
  return ratio**2 * _forward_variance(grid)


def _towards(grid: Grid, noise: np.ndarray | float):
  """Factors (of the image, of x_t) of the mean of x_s, noise's part taken."""
  rest = np.sqrt(np.maximum(grid.sigma[1:] ** 2 - noise**2, 0))
  keep = rest / grid.sigma[:-1]
  return grid.alpha[1:] - keep * grid.alpha[:-1], keep


def _table(t: np.ndarray, **columns: np.ndarray) -> Table:
  zeros = np.zeros(len(t))
  columns = {name: columns.get(name, zeros) for name in Table._fields[1:]}
  as_float = {k: np.asarray(v, np.float32) for k, v in columns.items()}
  return Table(t, **as_float)
