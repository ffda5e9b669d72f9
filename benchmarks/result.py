"""A result: what was measured, and everything that follows from it."""

import dataclasses
import datetime
import math
import statistics as stdlib_statistics
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks import environment, execute, facts, references, statistics
from benchmarks.execute import Outcome, Plan
from benchmarks.finished import SPEED_KEYS
from benchmarks.row import Row
from vision_jax.planning.devices import utilisation
from vision_jax.report.clock import CLOCK


@dataclasses.dataclass(frozen=True)
class Result:
  """What was measured of a row, on one machine with one state of the code.

  Attributes:
    row: the benchmark.
    variant, overrides: the recipe as it was run.
    seeds, values: one value a seed; none where the row did not run.
    absent, reason: then whether it could not run here or broke, and why.
    also: means over the seeds of the row's other metrics.
    curve: the first seed's [step, value] pairs, by metric.
    later_curves: the same of each seed after the first.
    speed: by `SPEED_KEYS`, medians over the seeds; None where a run
      did not say.
    clock: which form of the clock measured the speeds; those of an earlier form
      are not shown.
    seconds, seconds_to: medians: a whole seed, and to the row's `time_to`.
    hardware, versions, git_commit, date: where, with what, when.
  """

  row: Row
  variant: str
  overrides: Mapping[str, str]
  hardware: Mapping[str, Any]
  versions: Mapping[str, str]
  git_commit: str
  date: str
  seeds: Sequence[int] = ()
  values: Sequence[float] = ()
  absent: str = ""
  reason: str = ""
  also: Mapping[str, float] = dataclasses.field(default_factory=dict)
  curve: Mapping[str, list] = dataclasses.field(default_factory=dict)
  later_curves: Sequence[Mapping[str, list]] = dataclasses.field(
    default_factory=list
  )
  speed: Mapping[str, float | None] = dataclasses.field(
    default_factory=lambda: dict.fromkeys(SPEED_KEYS)
  )
  clock: int = CLOCK
  seconds: float | None = None
  seconds_to: float | None = None

  @property
  def summary(self) -> statistics.Summary | None:
    """Mean, deviation and interval of the values; None without any."""
    return statistics.summarize(self.values) if self.values else None

  @property
  def mean(self) -> float | None:
    """Of the values."""
    return self.summary.mean if self.summary else None

  @property
  def reference(self) -> references.Reference | None:
    """The published number that the row stands beside."""
    key = self.row.reference
    return references.load().get(key)  # `lines.parse` refuses what is none

  @property
  def changed(self) -> bool:
    """Whether the recipe is another than the row's."""
    own = self.row.variant or "full", dict(self.row.overrides)
    return (self.variant, dict(self.overrides)) != own

  @property
  def differs(self) -> str:
    """Why this cannot be compared with the reference; empty where it can."""
    if self.changed:
      return "the recipe was changed on the command line"
    if self.reference is None:
      return self.row.differs or "nothing comparable is published"
    if self.row.differs or self.reference.gates:
      return self.row.differs
    return "the reference is recalled, not read"

  @property
  def verdict(self) -> str:
    """One of `statistics.VERDICTS`, or `statistics.FAILED`."""
    if not self.values:
      return self.absent
    return statistics.verdict(
      self.summary,
      self.reference.value if self.reference else math.nan,
      self.row.tolerance,
      comparable=not self.differs,
      higher_is_better=self.row.higher_is_better,
      exact=self.row.within is not None,
    )

  @property
  def target_met(self) -> bool | None:
    """Whether our own goal is met; None without a goal or a number of its."""
    if self.row.target is None or self.changed or not self.values:
      return None
    if self.row.within is not None:
      return abs(self.mean - self.row.target) <= self.row.within + 1e-9
    better = self.row.higher_is_better
    return statistics.reaches(self.mean, self.row.target, 0.0, better)

  @property
  def cause(self) -> str:
    """Why it falls short, as its row says; "" where it does not."""
    short = self.verdict == statistics.MISSED or self.target_met is False
    return self.row.cause if short else ""

  @property
  def command(self) -> str:
    """What repeats seed 0."""
    variant = "" if self.variant == "full" else self.variant
    return execute.command(self.row, 0, variant, self.overrides)

  @property
  def mfu(self) -> float | None:
    """The share of the devices' peak; None where that is not known."""
    return utilisation(
      self.speed["flops_per_step"],
      self.speed["step_p50_ms"],
      self.hardware["device_kind"],
      self.hardware["device_count"],
    )

  @property
  def place(self) -> tuple[Any, ...]:
    """Results of one place are of the same kind of machine."""
    return tuple(self.hardware[key] for key in facts.HARDWARE)

  @property
  def recipe(self) -> tuple[Any, ...]:
    """Results of one recipe repeat each other."""
    return self.row.name, self.variant, *sorted(self.overrides.items())


def make_result(row: Row, outcomes: Sequence[Outcome], plan: Plan) -> Result:
  """Joins the outcomes of a row's seeds, which ran on one machine."""
  first, later = outcomes[0], [outcome.curve for outcome in outcomes[1:]]
  for outcome in outcomes:
    assert outcome.hardware == first.hardware, "seeds of two machines"
  return Result(
    **_recipe(row, plan),
    seeds=[outcome.seed for outcome in outcomes],
    values=[outcome.value for outcome in outcomes],
    also={
      name: stdlib_statistics.fmean(x.also[name] for x in outcomes)
      for name in first.also
    },
    curve=first.curve,
    later_curves=later if any(later) else [],
    speed={
      name: _median([x.speed[name] for x in outcomes]) for name in SPEED_KEYS
    },
    seconds=_median([x.seconds for x in outcomes]),
    seconds_to=_median([x.seconds_to for x in outcomes]),
    hardware=first.hardware,
    versions=first.versions,
    git_commit=first.git_commit,
    date=max(outcome.date for outcome in outcomes),
  )


def make_absent(
  row: Row, plan: Plan, reason: str, verdict: str = statistics.NOT_RUN
) -> Result:
  """A result without a number: not run here, or failed, and why."""
  return Result(
    **_recipe(row, plan),
    absent=verdict,
    reason=reason,
    hardware=dict(plan.hardware),
    versions=environment.versions(),
    git_commit=plan.commit,
    date=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
  )


def _recipe(row: Row, plan: Plan) -> dict[str, Any]:
  return {
    "row": row,
    "variant": plan.variant or row.variant or "full",
    "overrides": {**row.overrides, **plan.overrides},
  }


def _median(values: Sequence[float | None]) -> float | None:
  """None where a seed did not say."""
  return None if None in values else stdlib_statistics.median(values)
