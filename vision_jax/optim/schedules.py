"""Learning rates as functions of the update's number, starting at 0.

Every schedule returns a function step -> float32 that traces, and takes
`warmup`, a number of updates over which the rate rises in a straight line from
0: update 0 has rate 0 and update `warmup` the peak. Lengths are in updates;
past its last update a schedule stays at its end.
"""

import itertools
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp

from vision_jax.errors import UserError

Schedule = Callable[[jax.typing.ArrayLike], jax.Array]


def constant(rate: float, *, warmup: int = 0) -> Schedule:
  """One rate, after the warm-up."""
  _check_rate("rate", rate)
  _check_warmup(warmup)
  return _warmed(lambda step: jnp.full_like(step, rate), rate, warmup)


def warmup_cosine(
  peak: float, steps: int, *, warmup: int = 0, end: float = 0.0
) -> Schedule:
  """Half a cosine from `peak` after the warm-up to `end` at update `steps`.

  Loshchilov and Hutter, SGDR: https://arxiv.org/abs/1608.03983
  """
  _check_lengths(peak, steps, warmup)

  def rate(step):
    return _cosine(peak, end, _progress(step, warmup, steps))

  return _warmed(rate, peak, warmup)


def linear(
  peak: float, steps: int, *, warmup: int = 0, hold: int = 0, end: float = 0.0
) -> Schedule:
  """A straight line from `peak` after the warm-up to `end` at `steps`.

  It begins at update `hold`, if that comes after the warm-up.
  """
  _check_lengths(peak, steps, warmup)
  begin = max(warmup, hold)
  return _warmed(
    lambda step: peak + (end - peak) * _progress(step, begin, steps),
    peak,
    warmup,
  )


def piecewise(
  rates: Sequence[float], boundaries: Sequence[int], *, warmup: int = 0
) -> Schedule:
  """rates[i] from update boundaries[i - 1] until before boundaries[i].

  Raises:
    UserError: unless there is one rate more than boundaries, which increase
      (equal ones, as of a run of two steps, leave a rate out) and lie after the
      warm-up.
  """
  rates, boundaries = tuple(rates), tuple(boundaries)
  for rate in rates:
    _check_rate("rates", rate)
  _check_warmup(warmup)
  if len(rates) != len(boundaries) + 1:
    raise UserError(
      f"piecewise: got {len(rates)} rates for {len(boundaries)} boundaries; "
      "expected one rate more than boundaries."
    )
  ends = (warmup, *boundaries)
  if any(b < a for a, b in itertools.pairwise(ends)):
    raise UserError(
      f"boundaries: got {boundaries} with warmup={warmup}; expected increasing "
      "updates after the warm-up."
    )

  def rate(step):
    passed = sum((step >= b).astype(jnp.int32) for b in boundaries)
    return jnp.asarray(rates, jnp.float32)[jnp.asarray(passed)]

  return _warmed(rate, rates[0], warmup)


def step_decay(
  rate: float,
  boundaries: Sequence[int],
  *,
  factor: float = 0.1,
  warmup: int = 0,
) -> Schedule:
  """The rate times `factor` for every boundary passed."""
  _check_rate("factor", factor)
  rates = [rate * factor**i for i in range(len(boundaries) + 1)]
  return piecewise(rates, boundaries, warmup=warmup)


def one_cycle(
  peak: float,
  steps: int,
  *,
  rise: float = 0.3,
  start_divisor: float = 25.0,
  end_divisor: float = 1e4,
  anneal: str = "cosine",
) -> Schedule:
  """One rise and one fall: Smith and Topin, https://arxiv.org/abs/1708.07120.

  The rate goes from peak / start_divisor at update 0 up to the peak at update
  `rise` * steps - 1 and down to peak / start_divisor / end_divisor at the last
  update, steps - 1; both along half a cosine, or with anneal="linear" along a
  straight line. The rise is its own warm-up. A run that is too short to rise
  begins at the peak.
  """
  _check_lengths(peak, steps, 0)
  if not 0 < rise < 1:
    raise UserError(
      f"rise: got {rise} of {steps} steps; expected a part of (0, 1)."
    )
  top = max(rise * steps - 1, 0)
  if anneal not in ("cosine", "linear"):
    raise UserError(f"anneal: got {anneal!r}; expected 'cosine' or 'linear'.")
  start, end = peak / start_divisor, peak / start_divisor / end_divisor

  def between(low, high, part):
    if anneal == "cosine":
      return _cosine(low, high, part)
    return low + (high - low) * part

  def rate(step):
    step = jnp.asarray(step, jnp.float32)
    up = between(start, peak, _progress(step, 0, top))
    down = between(peak, end, _progress(step, top, steps - 1))
    return jnp.where(step < top, up, down)

  return rate


def _warmed(rate: Schedule, peak: float, warmup: int) -> Schedule:
  def schedule(step):
    step = jnp.asarray(step, jnp.float32)
    value = rate(step)
    if not warmup:
      return value
    return jnp.where(step < warmup, peak * step / warmup, value)

  return schedule


def _cosine(first: float, last: float, part: jax.Array) -> jax.Array:
  # Squares, and not (1 + cos) / 2, stay exact where the rate is nearly 0.
  angle = jnp.pi / 2 * part
  return first * jnp.cos(angle) ** 2 + last * jnp.sin(angle) ** 2


def _progress(step: jax.Array, first: float, last: float) -> jax.Array:
  return jnp.clip((step - first) / (last - first or 1), 0.0, 1.0)


def _check_rate(name: str, rate: float) -> None:
  if not rate >= 0:
    raise UserError(f"{name}: got {rate}; expected a number that is >= 0.")


def _check_warmup(warmup: int) -> None:
  if warmup < 0:
    raise UserError(f"warmup: got {warmup}; expected updates, >= 0.")


def _check_lengths(peak: float, steps: int, warmup: int) -> None:
  _check_rate("peak", peak)
  _check_warmup(warmup)
  if steps < 1:
    raise UserError(f"steps: got {steps}; expected updates, >= 1.")
  if warmup >= steps:
    raise UserError(
      f"warmup: got {warmup} of {steps} steps; expected fewer than steps. "
      "Both count updates, not epochs."
    )
