"""One seed of one row: the command, the child process, what it measured."""

import dataclasses
import datetime
import json
import math
import pathlib
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import Any

from benchmarks import environment
from benchmarks.row import Row
from benchmarks.statistics import reaches
from vision_jax.files import open_own, replace_text

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


@dataclasses.dataclass(frozen=True)
class Plan:
  """How a suite is run: what is equal for all of its rows and seeds."""

  output: pathlib.Path
  variant: str = ""
  overrides: Mapping[str, str] = dataclasses.field(default_factory=dict)
  hardware: Mapping = dataclasses.field(default_factory=dict)
  commit: str = ""


@dataclasses.dataclass(frozen=True)
class Outcome:
  """What one seed measured, where and when; fields as of a `Result`."""

  seed: int
  value: float
  also: Mapping[str, float]
  curve: Mapping[str, list]
  speed: Mapping[str, float | None]
  seconds: float
  seconds_to: float | None
  hardware: Mapping
  versions: Mapping[str, str]
  git_commit: str
  date: str


class RunFailed(RuntimeError):
  """A training run broke; the message says how and where its log is."""


def planned(row: Row, plan: Plan) -> tuple[str, dict[str, str]]:
  """Returns the variant and the overrides that a row is run with."""
  return plan.variant or row.variant, {**row.overrides, **plan.overrides}


def arguments(
  row: Row,
  seed: int,
  variant: str,
  overrides: Mapping[str, str],
  root: str = "",
) -> list[str]:
  """Returns the arguments of vision_jax.main, without a workdir."""
  variant = f":{variant}" if variant else ""
  return [f"--config={root}{row.config}{variant}"] + [
    f"--config.{key}={value}"
    for key, value in {**overrides, "seed": seed}.items()
  ]


def command(
  row: Row, seed: int, variant: str, overrides: Mapping[str, str]
) -> str:
  """Returns the command that repeats a seed, as one types it."""
  words = ["python", "-m", "vision_jax.main"]
  words += arguments(row, seed, variant, overrides)
  return shlex.join([*words, f"--workdir=out/{row.name}-{seed}"])


def run_seed(row: Row, seed: int, plan: Plan) -> Outcome:
  """Trains one seed, or returns what an earlier call has measured.

  Interrupted runs resume from their checkpoint.

  Raises:
    RunFailed: the process broke, did not finish, or the folder holds a run of
      another recipe, code or machine.
  """
  folder = plan.output / row.name / f"seed{seed}"
  _claim(folder, _identity(row, seed, plan))
  outcome_file = folder / "outcome.json"
  if outcome_file.exists():
    return Outcome(**json.loads(outcome_file.read_text(encoding="utf-8")))
  start = time.monotonic()
  train(row, seed, plan, folder)
  outcome = Outcome(
    seed=seed,
    **measured(row, folder / "workdir", variant=plan.variant),
    seconds=round(time.monotonic() - start, 1),
    hardware=dict(plan.hardware),
    versions=environment.versions(),
    git_commit=plan.commit,
    date=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
  )
  replace_text(outcome_file, json.dumps(dataclasses.asdict(outcome), indent=1))
  return outcome


def measured(row: Row, workdir: pathlib.Path, variant: str = "") -> dict:
  """Returns a finished run's figures and speed from its workdir.

  Args:
    row: what to look for.
    workdir: of the run.
    variant: where it is not the row's own; such a run may lack the row's other
      figures, named after classes or counts that a tiny one does not have.

  Raises:
    RunFailed: it has not finished, or the last of one of the row's figures is
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
  for name in (row.metric, *also):
    if name not in last:
      raise RunFailed(
        f"{workdir}/metrics.jsonl has no {name!r}; it has "
        f"{', '.join(sorted(last))}"
      )
    if not _finite(last[name]):
      raise RunFailed(f"{name} ended as {last[name]}, which is no figure")
  return {
    "value": last[row.metric],
    "also": {name: last[name] for name in also},
    "curve": {name: curve(lines, name) for name in row.curve},
    "speed": {
      name: last[key] if _finite(last.get(key)) else None
      for name, key in SPEED_KEYS.items()
    },
    "seconds_to": seconds_to(row, lines, last),
  }


def curve(lines: list[dict], key: str) -> list[list[float]]:
  """Returns [step, value] pairs of a key, evenly thinned to POINTS."""
  points = [[x["step"], x[key]] for x in lines if _finite(x.get(key))]
  every = -(-len(points) // POINTS)
  return points[::-1][::every][::-1] if points else []


def seconds_to(row: Row, lines: list[dict], last: dict) -> float | None:
  """Returns the seconds of training until the metric reached `row.time_to`.

  Counted from the start of the first step, so without compilation, by the
  times of the log lines; evaluations in between count. None if never, or where
  the row does not ask.
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
      return round(line["time"] - first["time"] + before, 2)
  return None


def _finite(value: Any) -> bool:
  return isinstance(value, int | float) and math.isfinite(value)


def _identity(row: Row, seed: int, plan: Plan) -> dict[str, Any]:
  """What a seed's result depends on.

  Not the commit: it changes with texts, too, and misses what is not committed.
  """
  return {
    "command": command(row, seed, *planned(row, plan)),
    "figures": [row.metric, *row.also, *row.curve, row.time_to],
    "sources": environment.source_hash(row.config),
    "versions": environment.versions(),
    "hardware": dict(plan.hardware),
  }


def _claim(folder: pathlib.Path, identity: Mapping[str, Any]) -> None:
  """Makes a seed's folder; one that exists has to be of the same run.

  Raises:
    RunFailed: naming what differs.
  """
  file = folder / "identity.json"
  if not folder.exists():
    folder.mkdir(parents=True)
    replace_text(file, json.dumps(identity, indent=1))
    return
  found = json.loads(file.read_text("utf-8")) if file.exists() else {}
  for key, expected in identity.items():
    if found.get(key) != expected:
      raise RunFailed(
        f"{folder} holds another run: its {key} is {found.get(key)!r}, now it "
        f"would be {expected!r}; choose another --output, or --fresh"
      )


def train(row: Row, seed: int, plan: Plan, folder: pathlib.Path) -> None:
  """Trains the row in a process of its own, into folder/workdir.

  Raises:
    RunFailed: if the process does not end well; it says where its log is.
  """
  log = folder / "log.txt"
  words = [sys.executable, "-m", "vision_jax.main"]
  words += arguments(row, seed, *planned(row, plan), f"{environment.ROOT}/")
  words += [f"--workdir={folder / 'workdir'}"]
  with open_own(log) as out:
    child = subprocess.Popen(words, stdout=out, stderr=subprocess.STDOUT)
    try:
      code = child.wait()
    except BaseException:  # also an interrupt: let the run save itself
      child.send_signal(signal.SIGTERM)
      child.wait()
      raise
  if code:
    tail = log.read_text(encoding="utf-8", errors="replace").splitlines()[-12:]
    raise RunFailed(f"exit code {code}, log in {log}:\n" + "\n".join(tail))


def _read_lines(file: pathlib.Path) -> list[dict]:
  if not file.exists():
    return []
  text = file.read_text(encoding="utf-8")
  return [json.loads(line) for line in text.splitlines() if line]
