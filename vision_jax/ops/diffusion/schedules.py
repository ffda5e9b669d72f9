"""Noise schedules: how much of the image is left at each time.

Levels are made in float64 on the host and enter the program as float32.
"""

import dataclasses
import functools
from collections.abc import Callable, Sequence

import jax.numpy as jnp
import numpy as np

from vision_jax.core.checks import check_name
from vision_jax.core.types import Array
from vision_jax.errors import UserError

MAX_BETA = 0.999


@dataclasses.dataclass(frozen=True, eq=False)
class Schedule:
  """The levels of noise at the times 0 (least) ... T - 1 (most).

  Attributes:
    alpha_bar: (T,) float64, alpha², the share of the variance that is signal;
      decreasing, within (0, 1).
  """

  alpha_bar: np.ndarray

  def __post_init__(self):
    bar = np.asarray(self.alpha_bar, np.float64)
    if bar.ndim != 1 or not bar.size or not (bar[-1] > 0 and bar[0] < 1):
      raise UserError(
        f"alpha_bar: got shape {bar.shape} from {bar.flat[:1]} to "
        f"{bar.flat[-1:]}; expected (T,) within (0, 1)."
      )
    if (np.diff(bar) >= 0).any():
      raise UserError("alpha_bar: expected values that decrease with time.")
    object.__setattr__(self, "alpha_bar", bar)

  @property
  def steps(self) -> int:
    """T, the number of times."""
    return len(self.alpha_bar)

  @functools.cached_property
  def alpha(self) -> np.ndarray:
    """(T,) factor of the image."""
    return np.sqrt(self.alpha_bar)

  @functools.cached_property
  def sigma(self) -> np.ndarray:
    """(T,) factor of the noise."""
    return np.sqrt(1 - self.alpha_bar)

  @functools.cached_property
  def snr(self) -> np.ndarray:
    """(T,) signal-to-noise ratio, alpha² / sigma²."""
    return self.alpha_bar / (1 - self.alpha_bar)

  @functools.cached_property
  def betas(self) -> np.ndarray:
    """(T,) variance added from one time to the next."""
    before = np.concatenate([[1.0], self.alpha_bar[:-1]])
    return 1 - self.alpha_bar / before

  def levels(self, t: Array, ndim: int = 4) -> tuple[Array, Array]:
    """Returns alpha and sigma at t (b,), shaped (b, 1, ...) of `ndim` axes."""
    shape = (-1,) + (1,) * (ndim - 1)
    take = lambda table: jnp.asarray(table, jnp.float32)[t].reshape(shape)
    return take(self.alpha), take(self.sigma)


def from_betas(betas: Sequence[float] | np.ndarray) -> Schedule:
  """The schedule that adds variance beta_t at each time."""
  return Schedule(np.cumprod(1 - np.asarray(betas, np.float64)))


def linear(
  steps: int = 1000, start: float = 1e-4, end: float = 0.02
) -> Schedule:
  """Betas on a line: Ho et al., https://arxiv.org/abs/2006.11239.

  `start` and `end` are for 1000 steps; with others they are scaled by 1000 /
  steps, so that the last level stays about the same.
  """
  scale = 1000 / _positive(steps)
  betas = np.linspace(scale * start, scale * end, steps)
  return from_betas(np.minimum(betas, MAX_BETA))


def cosine(steps: int = 1000, offset: float = 0.008) -> Schedule:
  """alpha_bar on a squared cosine: https://arxiv.org/abs/2102.09672."""
  t = np.arange(_positive(steps) + 1) / steps
  bar = np.cos((t + offset) / (1 + offset) * np.pi / 2) ** 2
  return from_betas(np.minimum(1 - bar[1:] / bar[:-1], MAX_BETA))


def sigmoid(
  steps: int = 1000, start: float = -3.0, end: float = 3.0, tau: float = 1.0
) -> Schedule:
  """alpha_bar on a sigmoid: Jabri et al., https://arxiv.org/abs/2212.11972."""
  t = np.arange(_positive(steps) + 1) / steps
  squash = lambda x: 1 / (1 + np.exp(-x / tau))
  first, last = squash(start), squash(end)
  bar = (last - squash(t * (end - start) + start)) / (last - first)
  return from_betas(np.minimum(1 - bar[1:] / bar[:-1], MAX_BETA))


SCHEDULES: dict[str, Callable[..., Schedule]] = {
  "linear": linear,
  "cosine": cosine,
  "sigmoid": sigmoid,
}


def schedule(name: str, steps: int = 1000) -> Schedule:
  """Returns the schedule "linear", "cosine" or "sigmoid".

  Raises:
    UserError: for another name, or steps below 1.
  """
  return SCHEDULES[check_name("schedule", name, SCHEDULES)](steps)


def _positive(steps: int) -> int:
  if steps < 1:
    raise UserError(f"steps: got {steps}; expected at least 1.")
  return steps
