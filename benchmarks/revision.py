"""Steps beside those of another commit, in turns: has it become slower?

  python -m benchmarks.run --suite=quick --against=REVISION

Checks the commit out beside this checkout, and times each row's step in a
process of either, one after the other, in pairs whose order alternates: what
the machine does meanwhile happens to both. Nothing is trained, and no data are
needed.
"""

import contextlib
import dataclasses
import json
import math
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

from scipy import special

from benchmarks import environment
from benchmarks.against import holm
from benchmarks.report import markdown, tables
from benchmarks.row import Row
from benchmarks.statistics import summarize
from vision_jax.errors import UserError
from vision_jax.files import replace_text

Side = TypeVar("Side")
PAIRS = 10
ALPHA = 0.01  # of any false alarm among all rows
LEAST = 1.03  # times as long, below which no difference is worth a word
SLOWER, FASTER, SAME = "slower", "faster", "no difference shown"
FAILED = "not compared"
COLUMNS = ("row", "before", "now", "times as long", "p (Holm)", "verdict")
# Runs in the checkout of either commit, by what both of them have.
STEP = """
import json, statistics, sys
from benchmarks.speed import steps
asked = json.loads(sys.argv[1])
running = steps.Running(steps.of_config(asked["config"], asked["overrides"]))
first = statistics.median(running.blocks(3)["seconds"])
count = max(4, min(200, round(asked["seconds"] / max(first, 1e-6))))
print(json.dumps(statistics.median(running.blocks(count)["seconds"])))
"""


@dataclasses.dataclass(frozen=True)
class Pairs:
  """Seconds of a row's step, a pair a turn; `reason` is why there are none."""

  row: str
  before: Sequence[float] = ()
  now: Sequence[float] = ()
  reason: str = ""

  @property
  def logs(self) -> list[float]:
    """Logarithms of how many times as long it takes now."""
    return [math.log(b / a) for a, b in zip(self.before, self.now, strict=True)]

  @property
  def ratio(self) -> float:
    """How many times as long it takes now, the geometric mean."""
    return math.exp(statistics.fmean(self.logs))

  @property
  def interval(self) -> tuple[float, float] | None:
    """The ratio's 95 % interval, Student's of the logs; None for one pair."""
    ends = summarize(self.logs).ci95
    return None if ends is None else (math.exp(ends[0]), math.exp(ends[1]))

  @property
  def p(self) -> float:
    """The probability, both ways, of such a ratio by chance: a t-test."""
    logs = self.logs
    error = statistics.stdev(logs) / math.sqrt(len(logs))
    mean = abs(statistics.fmean(logs))
    if not error:
      return float(mean == 0)
    return float(2 * special.stdtr(len(logs) - 1, -mean / error))


@contextlib.contextmanager
def checkout(revision: str) -> Iterator[pathlib.Path]:
  """Checks a commit out into a folder, which is removed afterwards.

  Raises:
    UserError: if this is no checkout, or has no such commit.
  """
  commit = commit_of(revision)
  with tempfile.TemporaryDirectory() as folder:
    place = pathlib.Path(folder) / "before"
    _git("worktree", "add", "--detach", str(place), commit)
    try:
      yield place
    finally:
      _git("worktree", "remove", "--force", str(place))


def commit_of(revision: str) -> str:
  """Returns the hash of what names a commit.

  Raises:
    UserError: if nothing is named so.
  """
  try:
    return _git("rev-parse", "--verify", "--end-of-options",
                f"{revision}^{{commit}}").strip()  # fmt: skip
  except (OSError, subprocess.CalledProcessError) as error:
    raise UserError(
      f"--against: there is no file or folder {revision!r}, and no commit of "
      "that name; expected a results.jsonl, a folder of such files, or a "
      "revision of this checkout, such as HEAD~1."
    ) from error


def compare(
  rows: Sequence[Row],
  revision: str,
  overrides: Mapping[str, str],
  variant: str = "",
  pairs: int = PAIRS,
) -> list[Pairs]:
  """Times each row's step here and at the revision, in turns."""
  found = []
  with checkout(revision) as place:
    for row in rows:
      found.append(_one(row, place, overrides, variant, pairs))
      print(f"{row.name}: {cells(found[-1], 1.0)[3] or found[-1].reason}")
  return found


def _one(
  row: Row,
  place: pathlib.Path,
  overrides: Mapping[str, str],
  variant: str,
  pairs: int,
) -> Pairs:
  variant = variant or row.variant
  name = f"{row.config}:{variant}" if variant else row.config
  values = {**row.overrides, **overrides}
  times: dict[pathlib.Path, list[float]] = {place: [], environment.ROOT: []}
  for turn in range(pairs):
    for where in in_order([*times], turn):
      try:
        times[where].append(step_seconds(where, name, values))
      except subprocess.CalledProcessError as error:
        last = (error.stderr.strip().splitlines() or ["no message"])[-1]
        side = "now" if where == environment.ROOT else "before"
        return Pairs(row.name, reason=f"its step fails {side}: {last:.200}")
  return Pairs(row.name, times[place], times[environment.ROOT])


def in_order(sides: Sequence[Side], turn: int) -> Sequence[Side]:
  """Returns the sides as a turn takes them, every other time backwards.

  What the machine does in the course of a turn so happens to all alike.
  """
  return sides[:: -1 if turn % 2 else 1]


def step_seconds(
  place: pathlib.Path, config: str, overrides: Mapping[str, str]
) -> float:
  """Returns the median seconds of a config's step in a checkout."""
  asked = {"config": config, "overrides": dict(overrides), "seconds": 1.5}
  done = subprocess.run(
    [sys.executable, "-c", STEP, json.dumps(asked)],
    cwd=place,
    env=os.environ | {"PYTHONPATH": str(place)},
    capture_output=True,
    text=True,
    check=True,
  )
  return json.loads(done.stdout.splitlines()[-1])


def verdict(found: Pairs, p: float) -> str:
  """Returns `SLOWER`, `FASTER`, `SAME` or `FAILED`, by the adjusted p."""
  if found.reason:
    return FAILED
  if p >= ALPHA or 1 / LEAST < found.ratio < LEAST:
    return SAME
  return SLOWER if found.ratio > 1 else FASTER


def judged(found: Sequence[Pairs]) -> list[tuple[Pairs, float]]:
  """Returns each row with its p, adjusted over all that were compared."""
  adjusted = iter(holm([x.p for x in found if not x.reason]))
  return [(x, 1.0 if x.reason else next(adjusted)) for x in found]


def cells(found: Pairs, p: float) -> list[str]:
  """Returns the cells of `COLUMNS`."""
  if found.reason:
    return [found.row, "", "", "", "", f"{FAILED}: {found.reason}"]
  medians = (statistics.median(x) for x in (found.before, found.now))
  return [
    found.row,
    *(f"{1e3 * seconds:.2f} ms" for seconds in medians),
    f"{found.ratio:.3f}",
    f"{p:.3f}",
    verdict(found, p),
  ]


def report(found: Sequence[Pairs], revision: str, output: pathlib.Path) -> int:
  """Prints and writes the table; returns the exit code, 3 for a slower row."""
  rows = [cells(x, p) for x, p in judged(found)]
  shown = [list(map(markdown.escape, row)) for row in rows]
  output.mkdir(parents=True, exist_ok=True)
  replace_text(
    output / "revision.md",
    f"# Steps beside {markdown.code(revision)}\n\n"
    f"{markdown.table(COLUMNS, shown)}",
  )
  print(f"\n{tables.plain(COLUMNS, rows)}")
  slower = [x.row for x, p in judged(found) if verdict(x, p) == SLOWER]
  if slower:
    print(f"slower than at {revision}: {', '.join(slower)}", file=sys.stderr)
  return 3 if slower else 0


def _git(*words: str) -> str:
  return subprocess.run(
    ["git", *words],
    cwd=environment.ROOT,
    capture_output=True,
    text=True,
    check=True,
  ).stdout
