"""One seed of one row: the command, the child process, what it measured."""

import dataclasses
import datetime
import json
import pathlib
import signal
import subprocess
import sys
import time
from collections.abc import Mapping

from benchmarks import environment
from benchmarks.row import Row

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


class RunFailed(RuntimeError):
  """A training run broke; the message says how and where its log is."""


def arguments(row: Row, seed: int, plan: Plan, root: str = "") -> list[str]:
  """Returns the arguments of vision_jax.main, without a workdir."""
  variant = plan.variant or row.variant
  variant = f":{variant}" if variant else ""
  overrides = {**row.overrides, **plan.overrides, "seed": seed}
  return [f"--config={root}{row.config}{variant}"] + [
    f"--config.{key}={value}" for key, value in overrides.items()
  ]


def command(row: Row, seed: int, plan: Plan) -> str:
  """Returns the command that repeats a seed, as one types it."""
  words = ["python", "-m", "vision_jax.main", *arguments(row, seed, plan)]
  return " ".join([*words, f"--workdir=out/{row.name}-{seed}"])


def run_seed(row: Row, seed: int, plan: Plan) -> dict:
  """Trains one seed, or returns what an earlier call has measured.

  Interrupted runs resume from their checkpoint.

  Raises:
    RunFailed: the process broke, did not finish, or the folder holds the
      result of something else.
  """
  folder = plan.output / row.name / f"seed{seed}"
  outcome_file = folder / "outcome.json"
  identity = {"command": command(row, seed, plan), "git_commit": plan.commit}
  if outcome_file.exists():
    return _earlier(outcome_file, identity)
  folder.mkdir(parents=True, exist_ok=True)
  start = time.monotonic()
  _train(row, seed, plan, folder)
  outcome = {
    **identity,
    "seed": seed,
    **measured(row, folder / "workdir"),
    "seconds": round(time.monotonic() - start, 1),
    "hardware": dict(plan.hardware),
    "versions": environment.versions(),
    "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
  }
  write_text(outcome_file, json.dumps(outcome, indent=1))
  return outcome


def measured(row: Row, workdir: pathlib.Path) -> dict:
  """Returns a finished run's figure and speed from its workdir.

  Raises:
    RunFailed: it has not finished, or never logged the row's metric.
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
  if row.metric not in last:
    raise RunFailed(
      f"{workdir}/metrics.jsonl has no {row.metric!r}; it has "
      f"{', '.join(sorted(last))}"
    )
  speed = {name: last.get(key) for name, key in SPEED_KEYS.items()}
  also = {key: last[key] for key in row.also if key in last}
  figures = {"value": last[row.metric], "also": also, **speed}
  if row.curve:
    figures["curve"] = {key: curve(lines, key) for key in row.curve}
  if row.time_to is not None:
    figures["seconds_to"] = seconds_to(row, lines, last)
  return figures


def curve(lines: list[dict], key: str) -> list[list[float]]:
  """Returns [step, value] pairs of a key, evenly thinned to POINTS."""
  points = [[line["step"], line[key]] for line in lines if key in line]
  every = -(-len(points) // POINTS)
  return points[::-1][::every][::-1] if points else []


def seconds_to(row: Row, lines: list[dict], last: dict) -> float | None:
  """Returns the seconds of training until the metric reached `row.time_to`.

  Counted from the start of the first step, so without compilation, by the
  times of the log lines; evaluations in between count. None if never.
  """
  reached = [line for line in lines if line.get(row.metric, 0) >= row.time_to]
  first = next(line for line in lines if line["step"] > 0)
  step_ms = last.get("time/step_p50_ms")
  if not reached or step_ms is None:
    return None
  before = first["step"] * step_ms * 1e-3
  return round(reached[0]["time"] - first["time"] + before, 2)


def _earlier(file: pathlib.Path, identity: dict) -> dict:
  outcome = json.loads(file.read_text(encoding="utf-8"))
  for key, expected in identity.items():
    if outcome[key] != expected:
      raise RunFailed(
        f"{file} holds another run's result: its {key} is {outcome[key]!r}, "
        f"now it would be {expected!r}; choose another --output, or --fresh"
      )
  return outcome


def _train(row: Row, seed: int, plan: Plan, folder: pathlib.Path) -> None:
  log = folder / "log.txt"
  words = [sys.executable, "-m", "vision_jax.main"]
  words += arguments(row, seed, plan, root=f"{environment.ROOT}/")
  words += [f"--workdir={folder / 'workdir'}"]
  with log.open("a", encoding="utf-8") as out:
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


def write_text(file: pathlib.Path, text: str) -> None:
  """Writes a file whole or not at all."""
  partial = file.with_name(file.name + ".partial")
  partial.write_text(text, encoding="utf-8")
  partial.replace(file)
