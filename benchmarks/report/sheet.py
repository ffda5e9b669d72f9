"""Results as comma-separated values: what a spreadsheet or pandas reads."""

import csv
import io
from collections.abc import Sequence
from typing import Any

from benchmarks import environment
from benchmarks.finished import SPEED_KEYS
from benchmarks.result import Result
from benchmarks.suite import suite_of
from vision_jax.report.clock import CLOCK

NUMBERS = ("mean", "sd", "mean_low", "mean_high", "seed_low", "seed_high")


def sheet(results: Sequence[Result]) -> str:
  """Returns a line for each result, run or not, below one of names.

  Numbers are in the metric's own unit, so that an accuracy is a fraction;
  `mean_low` to `mean_high` is the 95 % interval of the mean, `seed_low` to
  `seed_high` that of a further seed.
  """
  lines = list(map(_line, results))
  out = io.StringIO()
  names = list(dict.fromkeys(name for line in lines for name in line))
  writer = csv.DictWriter(out, names, lineterminator="\n")
  writer.writeheader()
  writer.writerows(lines)
  return out.getvalue()


def _line(result: Result) -> dict[str, Any]:
  row, reference = result.row, result.reference
  # A spreadsheet takes text after such a character for a formula.
  safe = lambda x: f"'{x}" if x.startswith(("=", "+", "-", "@", "\t")) else x
  line = {
    "suite": suite_of(row),
    "row": row.name,
    "config": row.config,
    "variant": result.variant,
    "overrides": " ".join(f"{k}={x}" for k, x in result.overrides.items()),
    "data": row.dataset,
    "metric": row.metric,
    "weights": row.weights,
    "unit": "" if row.unit == "%" else row.unit,
    "seeds": " ".join(map(str, result.seeds)),
    "values": " ".join(map(repr, result.values)),
    **_numbers(result),
    "reference": reference.value if reference else None,
    "reference_model": reference.model if reference else "",
    "evidence": reference.evidence if reference else "",
    "source": reference.source_url if reference else "",
    "tolerance": row.tolerance,
    "verdict": result.verdict,
    "reason": result.reason,
    "differs": result.differs,
    "target": row.target,
    "target_met": result.target_met,
    **_speed(result),
    "seconds": result.seconds,
    "hardware": environment.describe(result.hardware) if result.values else "",
    "command": result.command,
    "git_commit": result.git_commit,
    "date": result.date,
  }
  return {k: safe(x) if isinstance(x, str) else x for k, x in line.items()}


def _numbers(result: Result) -> dict[str, float | None]:
  found = result.summary
  if found is None:
    return dict.fromkeys(NUMBERS)
  ends = [*(found.ci95 or (None, None)), *(found.pi95 or (None, None))]
  return dict(zip(NUMBERS, [found.mean, found.sd, *ends], strict=True))


def _speed(result: Result) -> dict[str, float | None]:
  """The speeds; those of an earlier form of the clock are left out."""
  timed = ("images_per_s", "step_p50_ms", "step_p95_ms", "data_wait_share")
  stale = result.clock != CLOCK
  return {
    name: None if stale and name in timed else result.speed[name]
    for name in SPEED_KEYS
  }
