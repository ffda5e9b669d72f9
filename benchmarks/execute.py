"""One seed of one row: its command, its process, and its folder."""

import dataclasses
import datetime
import json
import math
import pathlib
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks import environment
from benchmarks.finished import (
  RunFailed,
  evaluated,
  measured,
  probed,
  spells,
)
from benchmarks.row import Row
from vision_jax.data.sources.tfds import ENVIRONMENT
from vision_jax.files import open_own, replace_text

PROGRESS_SECONDS = 10.0  # between two looks at how far a run is
_PROGRESS = re.compile(r"step \d+/\d+ ")


class OutOfTime(Exception):
  """A run was asked to save itself and stop, as the budget is used up."""


@dataclasses.dataclass(frozen=True)
class Plan:
  """How a suite is run: what is equal for all of its rows and seeds."""

  output: pathlib.Path
  variant: str = ""
  overrides: Mapping[str, str] = dataclasses.field(default_factory=dict)
  hardware: Mapping = dataclasses.field(default_factory=dict)
  commit: str = ""
  until: float = math.inf  # of time.monotonic: then runs save, and stop


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
  own = row.own and variant != "tiny"  # which needs no data
  data = {"data_dir": f"${ENVIRONMENT}/{row.data}"} if own else {}
  place, begins = f"${ENVIRONMENT}/{row.backbone}", []
  if row.part and variant != "tiny":
    begins = [f"--init_from={row.part}={place}"]
  elif row.backbone and variant != "tiny":
    data[row.given_as] = place
  variant = f":{variant}" if variant else ""
  return [f"--config={root}{row.config}{variant}", *begins] + [
    f"--config.{key}={value}"
    for key, value in {**data, **overrides, "seed": seed}.items()
  ]


def imports(row: Row, variant: str) -> bool:
  """Whether a row is a published file; its tiny variant is trained."""
  return bool(row.source) and variant != "tiny"


def probes(row: Row, variant: str) -> bool:
  """Whether features are measured; a row's tiny variant is trained."""
  return bool(row.probe) and variant != "tiny"


def calls(
  row: Row,
  seed: int,
  variant: str,
  overrides: Mapping[str, str],
  workdir: str,
  root: str = "",
) -> list[list[str]]:
  """Returns the arguments of each call of vision_jax.main that a seed needs."""
  if probes(row, variant):
    flags = {**row.probe, "seed": seed, "output": f"{workdir}/probe.json"}
    place = f"--workdir=${ENVIRONMENT}/{row.backbone}"
    words = [f"--{key}={value}" for key, value in flags.items()]
    return [["--mode=probe", place, "--episodes=1", *words]]
  if not imports(row, variant):
    words = arguments(row, seed, variant, overrides, root)
    return [[*words, f"--workdir={workdir}"]]
  _, *values, _ = arguments(row, seed, variant, overrides)  # but the seed
  place = [f"--source={row.source}", f"--file={row.file}"]
  return [
    ["--mode=import", *place, f"--output={workdir}", *values],
    ["--mode=eval", f"--workdir={workdir}"],
  ]


def command(
  row: Row, seed: int, variant: str, overrides: Mapping[str, str]
) -> str:
  """Returns the command that repeats a seed, as one types it."""
  parts = calls(row, seed, variant, overrides, f"out/{row.name}-{seed}")
  start = ["python", "-m", "vision_jax.main"]
  return " && ".join(shlex.join([*start, *words]) for words in parts)


def run_seed(row: Row, seed: int, plan: Plan) -> Outcome:
  """Runs one seed, or returns what an earlier call has measured.

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
  workdir = folder / "workdir"
  earlier = sum(end - began for began, end in spells(workdir))
  start = time.monotonic()
  train(row, seed, plan, folder)
  outcome = Outcome(
    seed=seed,
    **(
      probed(row, workdir)
      if probes(row, plan.variant)
      else evaluated(row, workdir)
      if imports(row, plan.variant)
      else measured(row, workdir, variant=plan.variant)
    ),
    seconds=round(earlier + time.monotonic() - start, 1),
    hardware=dict(plan.hardware),
    versions=environment.versions(),
    git_commit=plan.commit,
    date=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
  )
  replace_text(outcome_file, json.dumps(dataclasses.asdict(outcome), indent=1))
  if not seed and plan.variant != "tiny":
    draw(row, folder)
  return outcome


def draw(row: Row, folder: pathlib.Path) -> None:
  """Draws what a seed's net gets wrong; a number stands without it, too."""
  if not (folder / "workdir" / "checkpoints").exists():
    return
  words = [f"--workdir={folder / 'workdir'}", f"--output={folder / 'shown'}"]
  words.append(f"--evaluation={row.metric.partition('/')[0]}")
  try:
    call("benchmarks.shown", words, folder / "log.txt")
  except RunFailed as error:
    last = str(error).splitlines()[-1]
    print(f"{row.name}: no images of what it gets wrong: {last}", flush=True)


def _identity(row: Row, seed: int, plan: Plan) -> dict[str, Any]:
  """What a seed's result depends on.

  Not the commit: it changes with texts, too, and misses what is not committed.
  """
  return {
    "command": command(row, seed, *planned(row, plan)),
    "figures": [row.metric, *row.also, *row.curve, row.time_to],
    "sources": environment.source_hash(row.config, _made_by(row, plan)),
    "versions": environment.versions(),
    "hardware": dict(plan.hardware),
  }


def _made_by(row: Row, plan: Plan) -> Sequence[str]:
  """Returns the modules that make a row's number."""
  if probes(row, plan.variant):
    return environment.PROBES
  imported = imports(row, plan.variant)
  return environment.IMPORTS if imported else environment.TRAINS


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
  """Trains the row, or imports and evaluates it, into folder/workdir.

  In processes of their own; what was imported before is not again.

  Raises:
    RunFailed: if a process does not end well; it says where its log is.
    OutOfTime: if the plan's time is up.
  """
  log, workdir = folder / "log.txt", folder / "workdir"
  print(f"{row.name}, seed {seed}: log in {log}", flush=True)
  root = f"{environment.ROOT}/"
  for words in calls(row, seed, *planned(row, plan), str(workdir), root):
    if "--mode=import" not in words or not workdir.exists():
      call_main(words, log, plan.until)


def call_main(
  arguments: Sequence[str], log: pathlib.Path, until: float = math.inf
) -> None:
  """Runs vision_jax.main, see `call`."""
  call("vision_jax.main", arguments, log, until)


def call(
  module: str,
  arguments: Sequence[str],
  log: pathlib.Path,
  until: float = math.inf,
) -> None:
  """Runs a module, whose output goes into a log.

  Raises:
    RunFailed: if it does not end well.
    OutOfTime: if it had to be stopped, at `until` of time.monotonic.
  """
  words = [sys.executable, "-m", module, *arguments]
  with open_own(log) as out:
    child = subprocess.Popen(words, stdout=out, stderr=subprocess.STDOUT)
    try:
      code = _wait(child, log, until)
    except BaseException:  # also an interrupt: let the run save itself
      child.send_signal(signal.SIGTERM)
      child.wait()
      raise
  if code:
    tail = log.read_text(encoding="utf-8", errors="replace").splitlines()[-12:]
    raise RunFailed(f"exit code {code}, log in {log}:\n" + "\n".join(tail))


def _wait(child: subprocess.Popen, log: pathlib.Path, until: float) -> int:
  """Waits for a run, and shows how far it is; returns its exit code."""
  shown = ""
  while True:
    left = until - time.monotonic()
    if left <= 0:
      raise OutOfTime
    try:
      return child.wait(min(PROGRESS_SECONDS, left))
    except subprocess.TimeoutExpired:
      if (line := how_far(log)) != shown:
        print(f"  {line}", flush=True)
        shown = line


def how_far(log: pathlib.Path) -> str:
  """Returns the newest line of progress that a run has logged, "" for none."""
  text = log.read_text(encoding="utf-8", errors="replace")
  lines = [x for x in text.splitlines() if _PROGRESS.match(x)]
  return lines[-1] if lines else ""
