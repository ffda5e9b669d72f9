"""What a run has measured, read from its workdir."""

import datetime
import itertools
import json
import math
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.row import Row
from benchmarks.statistics import reaches

# What a result carries -> the key on the last line of a run's metrics.jsonl.
SPEED_KEYS = {
  "images_per_s": "time/images_per_s",
  "step_p50_ms": "time/step_p50_ms",
  "step_p95_ms": "time/step_p95_ms",
  "data_wait_share": "time/data_wait_share",
  "compile_s": "time/compile_s",
  "compile_cached": "time/compile_cached",
  "peak_memory_bytes": "memory/peak_bytes",
  "flops_per_step": "flops/step",
}

POINTS = 50  # of a curve


class RunFailed(RuntimeError):
  """A training run broke, or gives no metric; the message says how."""


def measured(row: Row, workdir: pathlib.Path, variant: str = "") -> dict:
  """Returns a finished run's metrics and speed from its workdir.

  Args:
    row: what to look for.
    workdir: the run's workdir.
    variant: where it is not the row's own; such a run may lack the row's other
      metrics, named after classes or counts that a tiny one does not have.

  Raises:
    RunFailed: it has not finished, or the last of one of the row's metrics is
      no finite number.
  """
  lines = _read_lines(workdir / "metrics.jsonl")
  config = json.loads((workdir / "config.json").read_text(encoding="utf-8"))
  steps = config["values"]["steps"]
  if not lines or lines[-1]["step"] < steps:
    at = lines[-1]["step"] if lines else 0
    raise RunFailed(f"stopped at step {at} of {steps}: run again to resume it")
  last = {}
  for line in lines:
    last.update(line)
  also = [name for name in row.also if name in last or not variant]
  _check(also, row.metric, last, workdir / "metrics.jsonl")
  return {
    "value": last[row.metric],
    "also": {name: last[name] for name in also},
    "curve": curves(row, lines),
    "speed": {
      name: last[key] if _finite(last.get(key)) else None
      for name, key in SPEED_KEYS.items()
    },
    "seconds_to": seconds_to(row, lines, last, spells(workdir)),
  }


def spells(workdir: pathlib.Path) -> list[tuple[float, float]]:
  """Returns when each process of a run began and last logged, in order.

  In seconds since 1970. What a process did after its last log line, which the
  next one did again, is not seen.
  """
  manifest = workdir / "manifest.json"
  if not manifest.exists():
    return []
  runs = json.loads(manifest.read_text(encoding="utf-8"))["runs"]
  began = [
    datetime.datetime.fromisoformat(run["started"]).timestamp() for run in runs
  ]
  times = [line["time"] for line in _read_lines(workdir / "metrics.jsonl")]
  ends = [*began[1:], math.inf]
  logged = lambda start, end: [t for t in times if start <= t < end]
  return [
    (start, max(logged(start, end), default=start))
    for start, end in zip(began, ends, strict=True)
  ]


def evaluated(row: Row, workdir: pathlib.Path) -> dict:
  """Returns what the last evaluation of a workdir gives of a row's metrics.

  With the keys of `measured`, though nothing was trained and timed.

  Raises:
    RunFailed: one of the row's metrics is not there, or no finite number.
  """
  found = _read_lines(workdir / "evaluations.jsonl")[-1:]
  if not found:
    raise RunFailed(f"{workdir} has no evaluation")
  (last,) = found
  _check(row.also, row.metric, last, workdir / "evaluations.jsonl")
  return {
    "value": last[row.metric],
    "also": {name: last[name] for name in row.also},
    "curve": {},
    "speed": dict.fromkeys(SPEED_KEYS),
    "seconds_to": None,
  }


def probed(row: Row, workdir: pathlib.Path) -> dict:
  """Returns what a probe has written, with the keys of `measured`.

  Raises:
    RunFailed: it has written nothing.
  """
  file = workdir / "probe.json"
  if not file.exists():
    raise RunFailed(f"{workdir} has no probe.json")
  content = json.loads(file.read_text(encoding="utf-8"))
  split = content["measured_on"]
  found = {f"{split}/{k}": x["mean"] for k, x in content["accuracy"].items()}
  _check(row.also, row.metric, found, file)
  return {
    "value": found[row.metric],
    "also": {name: found[name] for name in row.also},
    "curve": {},
    "speed": dict.fromkeys(SPEED_KEYS),
    "seconds_to": None,
  }


def _check(
  also: Sequence[str], metric: str, last: Mapping, file: pathlib.Path
) -> None:
  """Refuses metrics that are not there, or no numbers."""
  for name in (metric, *also):
    if name not in last:
      raise RunFailed(
        f"{file} has no {name!r}; it has {', '.join(sorted(last))}"
      )
    if not _finite(last[name]):
      raise RunFailed(f"{name} ended as {last[name]}, which is no number")


def curves(row: Row, lines: list[dict]) -> dict[str, list[list[float]]]:
  """Returns the courses that a result keeps, of what the lines have."""
  found = {name: curve(lines, name) for name in row.curves}
  return {k: x for k, x in found.items() if x or k in row.curve}


def curve(lines: list[dict], key: str) -> list[list[float]]:
  """Returns [step, value] pairs of a key, evenly thinned to POINTS."""
  points = [[x["step"], x[key]] for x in lines if _finite(x.get(key))]
  every = -(-len(points) // POINTS)
  return points[::-1][::every][::-1] if points else []


def seconds_to(
  row: Row,
  lines: list[dict],
  last: dict,
  processes: Sequence[tuple[float, float]] = (),
) -> float | None:
  """Returns the seconds of training until the metric reached `row.time_to`.

  Counted from the start of the first step, so without compilation, by the
  times of the log lines; evaluations in between count, and so does what each
  further process took to begin, but not the time between two processes. None if
  never, or where the row does not ask.

  Args:
    row: what is asked.
    lines: of the log.
    last: the last of each metric.
    processes: those of the run, see `spells`.
  """
  step_ms = last.get("time/step_p50_ms")
  if row.time_to is None or not _finite(step_ms):
    return None
  better = row.higher_is_better
  first = next(line for line in lines if line["step"] > 0)
  for line in lines:
    value = line.get(row.metric)
    if _finite(value) and reaches(value, row.time_to, 0.0, better):
      before = first["step"] * step_ms * 1e-3
      between = sum(
        start - end
        for (_, end), (start, _) in itertools.pairwise(processes)
        if start < line["time"]
      )
      return round(line["time"] - first["time"] - between + before, 2)
  return None


def _finite(value: Any) -> bool:
  return isinstance(value, int | float) and math.isfinite(value)


def _read_lines(file: pathlib.Path) -> list[dict]:
  if not file.exists():
    return []
  text = file.read_text(encoding="utf-8")
  return [json.loads(line) for line in text.splitlines() if line]
