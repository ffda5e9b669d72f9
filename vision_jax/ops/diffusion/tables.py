"""Samplers as tables of numbers: one line an evaluation of the denoiser.

With D_n the image denoised at x_n, all of them are the recurrence

  x_{n+1} = keep x_n + back x_{n-1} + now D_n + before D_{n-1} + noise z

so that one compiled scan runs each. From level t to a cleaner level s; after
the last time comes the clean image, alpha = 1 and sigma = 0.
"""

from typing import NamedTuple

import numpy as np

from vision_jax.core.checks import check_name
from vision_jax.errors import UserError
from vision_jax.ops.diffusion.schedules import Schedule

# Where samplers of higher order begin: x is all noise there, and the larger
# ratios (the cosine schedule goes on to 20,000) would spoil the long steps.
NOISIEST = 200.0
VARIANCES = ("small", "large", "learned")
SPACINGS = ("even", "quadratic")
QUADRATIC_END = 0.8  # of T: where DDIM's quadratic times begin to denoise


class Table(NamedTuple):
  """The recurrence's factors, (n,) each; see the module.

  Attributes:
    t: time at which the denoiser is evaluated, int32.
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


class _Levels(NamedTuple):
  """alpha and sigma where a step begins (t) and ends (s), (n,)."""

  alpha_t: np.ndarray
  sigma_t: np.ndarray
  alpha_s: np.ndarray
  sigma_s: np.ndarray


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


def ddim(
  schedule: Schedule, steps: int, eta: float = 0.0, spacing: str = "even"
) -> Table:
  """DDIM: https://arxiv.org/abs/2010.02502, equation 12.

  eta = 0 is deterministic, 1 is DDPM with the smaller variance. `spacing` is of
  the times: "even", or "quadratic" as in the paper's CIFAR-10.
  """
  check_name("spacing", spacing, SPACINGS)
  if not 0 <= eta <= 1:
    raise UserError(f"eta: got {eta}; expected 0 (no noise) to 1 (DDPM).")
  grid = {"even": time_grid, "quadratic": quadratic_grid}[spacing]
  t = grid(schedule, steps)
  levels = _levels(schedule, t)
  noise = eta * np.sqrt(_posterior_variance(levels))
  now, keep = _towards(levels, noise)
  return _table(t, keep=keep, now=now, noise=noise)


def ddpm(schedule: Schedule, steps: int, variance: str = "large") -> Table:
  """Ancestral sampling: https://arxiv.org/abs/2006.11239, algorithm 2.

  With fewer steps than T, on the schedule of the chosen times
  (https://arxiv.org/abs/2102.09672). The variance is beta ("large"), the
  posterior's ("small"), or "learned" between them.
  """
  check_name("variance", variance, VARIANCES)
  t = time_grid(schedule, steps)
  levels = _levels(schedule, t)
  small, large = _posterior_variance(levels), _forward_variance(levels)
  now, keep = _towards(levels, np.sqrt(small))
  fresh = levels.sigma_s > 0
  noise = np.where(fresh, np.sqrt(large if variance == "large" else small), 0)
  ratio = np.where(fresh, large / np.where(fresh, small, 1), 1)
  learned = variance == "learned"
  return _table(
    t, keep=keep, now=now, noise=noise, log_ratio=np.log(ratio) * learned
  )


def dpmpp(schedule: Schedule, steps: int) -> Table:
  """DPM-Solver++(2M): https://arxiv.org/abs/2211.01095, algorithm 2.

  Second order from the denoised images of two times; first order at the first
  step and at the last one, whose logarithmic length is infinite. Times are
  evenly spaced in the logarithm of the signal-to-noise ratio.
  """
  t = log_snr_grid(schedule, steps)
  levels = _levels(schedule, t)
  now, keep = _towards(levels, 0.0)  # first order: DDIM
  half_log_snr = np.log(schedule.alpha[t] / schedule.sigma[t])
  h = np.diff(half_log_snr)  # (n - 1,) lengths of all steps but the last
  before = np.zeros(steps)
  extra = h[1:] / (2 * h[:-1])
  before[1:-1] = -now[1:-1] * extra
  return _table(t, keep=keep, now=now - before, before=before)


def heun(schedule: Schedule, steps: int) -> Table:
  """Heun's method: Karras et al., https://arxiv.org/abs/2206.00364.

  On x / alpha as a function of sigma / alpha. Two evaluations a step and one in
  the last: 2 steps - 1 in all. Times are the model's, evenly spaced.
  """
  t = time_grid(schedule, steps, cut=True)
  levels = _levels(schedule, t)
  now, keep = _towards(levels, 0.0)  # Euler's step there is DDIM
  rows = 2 * steps - 1
  table = {k: np.zeros(rows) for k in ("keep", "back", "now", "before")}
  table["keep"][::2], table["now"][::2] = keep, now
  first = _Levels(*(x[:-1] for x in levels))
  noise_t = first.sigma_t / first.alpha_t
  noise_s = first.sigma_s / first.alpha_s
  half = (noise_s - noise_t) / 2
  table["back"][1::2] = first.alpha_s / first.alpha_t * (1 + half / noise_t)
  table["before"][1::2] = -first.alpha_s * half / noise_t
  table["keep"][1::2] = half / noise_s
  table["now"][1::2] = -first.alpha_s * half / noise_s
  return _table(np.concatenate([t[:1], np.repeat(t[1:], 2)]), **table)


def _levels(schedule: Schedule, t: np.ndarray) -> _Levels:
  alpha, sigma = schedule.alpha[t], schedule.sigma[t]
  alpha_s, sigma_s = np.append(alpha[1:], 1.0), np.append(sigma[1:], 0.0)
  return _Levels(alpha, sigma, alpha_s, sigma_s)


def _forward_variance(levels: _Levels) -> np.ndarray:
  """Variance of x_t given x_s: beta, on the chosen times."""
  return 1 - (levels.alpha_t / levels.alpha_s) ** 2


def _posterior_variance(levels: _Levels) -> np.ndarray:
  """Variance of x_s given x_t and the image."""
  ratio = levels.sigma_s / levels.sigma_t
  return ratio**2 * _forward_variance(levels)


def _towards(levels: _Levels, noise: np.ndarray | float):
  """Factors (of the image, of x_t) of the mean of x_s, noise's part taken."""
  rest = np.sqrt(np.maximum(levels.sigma_s**2 - noise**2, 0))
  keep = rest / levels.sigma_t
  return levels.alpha_s - keep * levels.alpha_t, keep


def _table(t: np.ndarray, **columns: np.ndarray) -> Table:
  zeros = np.zeros(len(t))
  columns = {name: columns.get(name, zeros) for name in Table._fields[1:]}
  as_float = {k: np.asarray(v, np.float32) for k, v in columns.items()}
  return Table(np.asarray(t, np.int32), **as_float)
