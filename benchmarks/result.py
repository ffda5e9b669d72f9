"""A result: one JSON line that carries everything a number needs."""

import datetime
import json
import pathlib
import statistics as stdlib_statistics
from collections.abc import Mapping, Sequence

from benchmarks import environment, execute, references, statistics
from benchmarks.execute import Plan
from benchmarks.peaks import utilisation
from benchmarks.row import Row
from benchmarks.suite import suite_of
from vision_jax.errors import UserError

RECIPE = ("suite", "row", "config", "overrides", "command", "protocol", "unit")
HARDWARE = ("platform", "device_kind", "device_count", "cpu", "cpu_cores")


class BadResult(UserError):
  """A line that a report must not show."""


def make_result(row: Row, outcomes: Sequence[dict], plan: Plan) -> dict:
  """Joins the outcomes of a row's seeds into a result with its verdict."""
  values = [outcome["value"] for outcome in outcomes]
  summary = statistics.summarize(values)
  reference = _reference(row)
  differs = _differs(row, plan, reference)
  better = row.higher_is_better
  first = outcomes[0]
  return {
    **_recipe(row, plan),
    "seeds": [outcome["seed"] for outcome in outcomes],
    "values": values,
    "mean": summary.mean,
    "sd": summary.sd,
    "ci95": list(summary.ci95) if summary.ci95 else None,
    "differs": differs,
    "verdict": statistics.verdict(
      summary.mean,
      reference.value if reference else None,
      row.tolerance,
      comparable=not differs,
      higher_is_better=better,
    ),
    "target_met": _target_met(row, plan, summary.mean, better),
    "also": _also(outcomes),
    **({"curve": first["curve"]} if "curve" in first else {}),
    **_speed(outcomes, first["hardware"]),
    "hardware": first["hardware"],
    "versions": first["versions"],
    "git_commit": first["git_commit"],
    "date": max(outcome["date"] for outcome in outcomes),
  }


def make_absent(
  row: Row, plan: Plan, reason: str, verdict: str = statistics.NOT_RUN
) -> dict:
  """A result without a number: not run here, or failed, and why."""
  return {
    **_recipe(row, plan),
    "seeds": [],
    "values": [],
    "mean": None,
    "differs": _differs(row, plan, _reference(row)),
    "verdict": verdict,
    "reason": reason,
    "hardware": dict(plan.hardware),
    "versions": environment.versions(),
    "git_commit": plan.commit,
    "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
  }


def validate(line: Mapping, place: str = "result") -> None:
  """Checks that a line carries its recipe, seeds, hardware and reference.

  Raises:
    BadResult: naming the line, what it lacks and what to do.
  """
  lacking = [key for key in RECIPE if key not in line or line[key] is None]
  hardware = line.get("hardware") or {}
  lacking += [f"hardware.{k}" for k in HARDWARE if hardware.get(k) is None]
  lacking += [key for key in ("reference",) if key not in line]
  lacking += [key for key in ("verdict",) if not line.get(key)]
  if line.get("mean") is not None and not line.get("seeds"):
    lacking.append("seeds")
  if lacking:
    raise BadResult(
      f"{place}: row {line.get('row', '?')!r} lacks {', '.join(lacking)}; "
      "write results with `python -m benchmarks.run`, which records them"
    )
  _validate_numbers(line, place)


def _validate_numbers(line: Mapping, place: str) -> None:
  run = line["verdict"] not in (statistics.NOT_RUN, statistics.FAILED)
  if line["verdict"] not in (*statistics.VERDICTS, statistics.FAILED):
    raise BadResult(
      f"{place}: verdict is {line['verdict']!r}, expected one of "
      f"{', '.join(statistics.VERDICTS)}"
    )
  if run != (line.get("mean") is not None):
    raise BadResult(
      f"{place}: row {line['row']!r} is {line['verdict']!r} with a mean of "
      f"{line.get('mean')!r}; a number stands exactly where a row was run"
    )
  if run and len(line["seeds"]) != len(line["values"]):
    raise BadResult(
      f"{place}: {len(line['values'])} values of {len(line['seeds'])} seeds"
    )


def read(path: pathlib.Path) -> list[dict]:
  """Reads and checks the results of a `.jsonl` file, or of a folder's.

  Raises:
    FileNotFoundError: there is none.
    BadResult: a line is not a result or lacks something.
  """
  files = sorted(path.glob("*.jsonl")) if path.is_dir() else [path]
  found = []
  for file in files:
    for number, text in enumerate(file.read_text("utf-8").splitlines(), 1):
      place = f"{file.name}:{number}"
      try:
        line = json.loads(text)
      except json.JSONDecodeError as error:
        raise BadResult(f"{place}: not JSON: {error}") from error
      if line.get("kind") == "speed":
        continue  # `benchmarks.speed` writes and prints those
      validate(line, place)
      found.append(line)
  return found


def write(lines: Sequence[Mapping], path: pathlib.Path) -> None:
  """Writes checked results, one a line, whole or not at all."""
  for line in lines:
    validate(line)
  execute.write_text(path, "".join(json.dumps(x) + "\n" for x in lines))


def _reference(row: Row) -> references.Reference | None:
  return references.load()[row.reference] if row.reference else None


def _also(outcomes: Sequence[Mapping]) -> dict[str, float]:
  """Means of the figures that a row tells besides its own."""
  names = outcomes[0].get("also", {})
  return {
    name: stdlib_statistics.fmean(x["also"][name] for x in outcomes)
    for name in names
  }


def _recipe(row: Row, plan: Plan) -> dict:
  reference = _reference(row)
  return {
    "suite": suite_of(row),
    "row": row.name,
    "config": row.config,
    "variant": plan.variant or row.variant or "full",
    "overrides": {**row.overrides, **plan.overrides},
    "command": execute.command(row, 0, plan),
    "dataset": row.dataset,
    "metric": row.metric,
    "unit": row.unit,
    "protocol": row.protocol,
    "tolerance": row.tolerance,
    "target": row.target,
    "reference": reference
    and {
      key: getattr(reference, key)
      for key in (
        "key",
        "model",
        "value",
        "higher_is_better",
        "protocol",
        "evidence",
        "source_title",
        "source_url",
        "source_location",
      )
    },
  }


def _differs(
  row: Row, plan: Plan, reference: references.Reference | None
) -> str:
  if plan.variant or plan.overrides:
    return "the recipe was changed on the command line"
  if reference is None:
    return row.differs or "nothing comparable is published"
  if row.differs or reference.gates:
    return row.differs
  return "the reference is recalled, not read"


def _target_met(row, plan, mean, better) -> bool | None:
  if row.target is None or plan.variant or plan.overrides:
    return None
  return statistics.reaches(mean, row.target, 0.0, better)


def _speed(outcomes: Sequence[dict], hardware: Mapping) -> dict:
  """Medians over the seeds; None where a run did not report a figure."""
  names = [*execute.SPEED_KEYS, "seconds", "seconds_to"]
  figures = {name: _median(outcomes, name) for name in names}
  figures["mfu"] = utilisation(
    figures["flops_per_step"],
    figures["step_p50_ms"],
    hardware["device_kind"],
    hardware["device_count"],
  )
  return figures


def _median(outcomes: Sequence[dict], name: str) -> float | None:
  values = [outcome.get(name) for outcome in outcomes]
  if any(value is None for value in values):
    return None
  return stdlib_statistics.median(values)
