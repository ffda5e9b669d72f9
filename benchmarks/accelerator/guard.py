"""How long each stage may take."""

import time
from collections.abc import Callable, Mapping, Sequence


class Guard:
  """Deadlines of the stages, within a budget.

  The first stage has the seconds it needs; the others share the rest as theirs
  would. A stage that ends early leaves its time to those after it.

  Args:
    budget: seconds for all.
    seconds: stage -> what it takes.
    stages: those that run, in order.
    fixed: the stage whose seconds do not shrink with the budget.
    now: the clock.
  """

  def __init__(
    self,
    budget: float,
    seconds: Mapping[str, float],
    stages: Sequence[str],
    *,
    fixed: str = "smoke",
    now: Callable[[], float] = time.monotonic,
  ):
    self._now, start = now, now()
    whole = {s: seconds[s] if s == fixed else 0.0 for s in stages}
    rest = sum(seconds[s] for s in stages if s != fixed)
    spare = max(0.0, budget - sum(whole.values()))
    self._deadline, total = {}, 0.0
    for stage in stages:
      part = 0.0 if stage == fixed else seconds[stage] / rest
      total += whole[stage] + spare * part
      self._deadline[stage] = start + min(total, budget)
    if stages:
      self._deadline[stages[-1]] = start + budget

  def left(self, stage: str) -> float:
    """Seconds that this stage still has; 0 where it is over."""
    return max(0.0, self._deadline[stage] - self._now())
