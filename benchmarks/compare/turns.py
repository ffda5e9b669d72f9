"""Who is timed when: a process for each turn, in turns, kept as it comes."""

import dataclasses
import datetime
import os
import pathlib
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarks import environment
from benchmarks.accelerator import child
from benchmarks.accelerator.journal import Journal
from benchmarks.accelerator.states import ABSENT, FAILED, MEASURED
from benchmarks.compare.models import OURS, PEERS, Case, why_not
from benchmarks.revision import in_order
from vision_jax.provenance import machine

LIMIT = 1800.0  # seconds of a turn, with all that it compiles
# What the times of a folder depend on; a peer's versions are in its turns.
SAME = (
  *("device_kind", "cpu", "cpu_cores", "python", "jax", "jaxlib", "flax"),
  "git_commit",
)
_CACHE = "JAX_COMPILATION_CACHE_DIR"
Row = Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Plan:
  """What is compared with whom.

  Attributes:
    cases: models, with their mode and sizes.
    peers: names of `PEERS`.
    checkouts: peer -> folder, of those that are not installed.
    turns: how often everybody has a turn.
    seconds: how long a step is timed in a turn.
    output: folder of `compare.jsonl`.
    platform: "cpu", or another of jax's.
  """

  cases: Sequence[Case]
  peers: Sequence[str]
  checkouts: Mapping[str, str]
  turns: int
  seconds: float
  output: pathlib.Path
  platform: str


def run(plan: Plan, journal: Journal) -> None:
  """Measures what is not measured yet."""
  for case, by, turn in _order(plan):
    versions = versions_of(by, plan)
    if _over(journal, case, by, turn, versions):
      continue
    why = "" if by == OURS else why_not(by, case, plan.platform)
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    about = {"by": by, "turn": turn, "versions": versions, "date": now}
    about["load"] = os.getloadavg()[0]
    found = {"state": ABSENT, "why": why} if why else _measured(plan, case, by)
    row = dataclasses.asdict(case) | found | about
    journal.add(row | {"stage": case.name, "name": f"{by}/{turn}"})
    print(line(row, case), flush=True)


def _order(plan: Plan) -> Iterator[tuple[Case, str, int]]:
  for case in plan.cases:
    for turn in range(plan.turns):
      for by in in_order([OURS, *plan.peers], turn):
        yield case, by, turn


def _over(
  journal: Journal, case: Case, by: str, turn: int, versions: Row
) -> bool:
  """Whether a turn is measured, or an earlier one has shown that none can."""
  row = journal.rows.get((case.name, f"{by}/{turn}"), {})
  if row.get("state") == MEASURED:
    return row["versions"] == versions
  first = journal.rows.get((case.name, f"{by}/0"), {})
  return turn > 0 and first.get("state") != MEASURED


def _measured(plan: Plan, case: Case, by: str) -> Row:
  """One turn, in a process whose programs nobody has compiled before."""
  module = "ours" if by == OURS else PEERS[by].module
  with tempfile.TemporaryDirectory() as programs:
    settings = dataclasses.asdict(case) | {
      "seconds": plan.seconds,
      "platform": plan.platform,
      "checkout": plan.checkouts.get(by, ""),
      "started": time.time(),
    }
    (row,) = child.rows(
      f"benchmarks.compare.{module}",
      [by],
      settings,
      LIMIT,
      _variables(programs),
      plan.output / "log.txt",
    )
  return row


def _variables(programs: str) -> dict[str, str]:
  """The environment of a turn, in which nothing is compiled already."""
  found = {k: v for k, v in os.environ.items() if k != _CACHE}
  return found | {"TORCHINDUCTOR_CACHE_DIR": programs}


def versions_of(by: str, plan: Plan) -> dict[str, str | None]:
  """Returns what else a peer's times depend on: versions, or a commit."""
  if by in plan.checkouts:
    state = machine.git_state(pathlib.Path(plan.checkouts[by]))
    return {by: state and state["commit"]}
  return machine.versions(() if by == OURS else PEERS[by].needs)


def head(command: str) -> dict[str, Any]:
  """Returns what everything is measured on, and by what."""
  return {
    **environment.probe(),
    **environment.versions(),
    "git_commit": environment.git_commit(),
    "command": command,
    "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
  }


def failed(rows: Sequence[Row]) -> bool:
  """Whether a turn broke."""
  return any(row["state"] == FAILED for row in rows)


def line(row: Row, case: Case) -> str:
  """Returns a turn as a line for the screen."""
  start = f"{case.name}  {row['by']}, turn {row['turn'] + 1}"
  if row["state"] != MEASURED:
    return f"{start}: {row['state']}: {row['why']}"
  return f"{start}: {row['step_ms']:.2f} ms"
