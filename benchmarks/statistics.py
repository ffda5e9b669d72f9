"""What several seeds say, and the verdict beside a reference."""

import dataclasses
import math
from collections.abc import Sequence

from scipy import special

from vision_jax.errors import UserError

REPRODUCED = "reproduced"
MISSED = "missed"
BETTER = "better than expected"  # is the test set in the training set?
NOT_COMPARABLE = "not comparable"
NOT_RUN = "not run here"
FAILED = "failed"  # the run itself broke: not a verdict about the number
VERDICTS = (REPRODUCED, MISSED, BETTER, NOT_COMPARABLE, NOT_RUN)


@dataclasses.dataclass(frozen=True)
class Summary:
  """Mean, sample standard deviation, and 95 % intervals.

  `ci95` is that of the mean, `pi95` the one in which the value of a further
  seed falls, the prediction interval mean ± t·sd·√(1 + 1/n). All three are None
  for one seed: one value has no spread.
  """

  mean: float
  sd: float | None
  ci95: tuple[float, float] | None
  pi95: tuple[float, float] | None = None


def summarize(values: Sequence[float]) -> Summary:
  """Summarises one value a seed, with Student's t interval.

  Raises:
    UserError: no values, or one that is not finite.
  """
  if not values:
    raise UserError("no values to summarise: at least one seed is needed")
  if not all(math.isfinite(value) for value in values):
    raise UserError(f"values are not finite: {list(values)}")
  count = len(values)
  mean = math.fsum(values) / count
  if count == 1:
    return Summary(mean, None, None)
  square = math.fsum((value - mean) ** 2 for value in values)
  sd = math.sqrt(square / (count - 1))
  t = float(special.stdtrit(count - 1, 0.975))
  around = lambda half: (mean - half, mean + half)
  of_mean = t * sd / math.sqrt(count)
  of_next = t * sd * math.sqrt(1 + 1 / count)
  return Summary(mean, sd, around(of_mean), around(of_next))


def reaches(
  mean: float, goal: float, tolerance: float, higher_is_better: bool = True
) -> bool:
  """Whether `mean` is not worse than `goal` by more than `tolerance`.

  Better than the goal is always fine. A rounding error of 1e-9 is forgiven, so
  that 0.9025 passes 0.9125 with a tolerance of 0.01.
  """
  short = goal - mean if higher_is_better else mean - goal
  return short <= tolerance + 1e-9


def verdict(
  summary: Summary | None,
  reference: float,
  tolerance: float,
  *,
  comparable: bool,
  higher_is_better: bool = True,
  exact: bool = False,
) -> str:
  """Returns one of `VERDICTS`: `NOT_RUN` where there is no summary.

  `BETTER` is what all of the 95 % interval says: too good is suspicious, as in
  MLPerf's check of convergence; one seed has no interval and never is. With
  `exact` what is better by more than the tolerance is missed too.
  """
  if summary is None:
    return NOT_RUN
  if not comparable:
    return NOT_COMPARABLE
  if exact:
    met = abs(summary.mean - reference) <= tolerance + 1e-9
    return REPRODUCED if met else MISSED
  if _all_better(summary, reference, tolerance, higher_is_better):
    return BETTER
  met = reaches(summary.mean, reference, tolerance, higher_is_better)
  return REPRODUCED if met else MISSED


def _all_better(
  summary: Summary, reference: float, tolerance: float, higher_is_better: bool
) -> bool:
  """Whether the interval lies beyond the reference by over the tolerance."""
  if summary.ci95 is None:
    return False
  low, high = summary.ci95
  beyond = low - reference if higher_is_better else reference - high
  return beyond > tolerance + 1e-9
