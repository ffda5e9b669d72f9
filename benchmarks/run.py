"""Runs suites: every row with its seeds, then a table beside the references.

  python -m benchmarks.run --suite=quick
  python -m benchmarks.run --suite=camvid,restoration,clouds
  python -m benchmarks.run --suite=mnist --seeds=3 --output=OUT
  python -m benchmarks.run --suite=mnist --launcher=slurm
  python -m benchmarks.run --suite=gpu --budget=25m --seeds=1
  python -m benchmarks.run --suite=quick --against=benchmarks/results
  python -m benchmarks.run --suite=quick --against=HEAD~1
  python -m benchmarks.run --suite=mnist --rows=mnist_lenet --sweep=lr:0.01,0.1

Each seed is a run of `vision_jax.main` with a workdir under OUT. An
interrupted suite continues where it was. Exit codes: 0 done (rows that cannot
run here say so), 1 a row broke, 2 bad arguments, 3 a row is worse than in the
results named by --against, beyond the noise.
"""

import dataclasses
import functools
import itertools
import pathlib
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from benchmarks import (
  against,
  doubts,
  environment,
  execute,
  lines,
  options,
  result,
  revision,
  statistics,
  sweep,
)
from benchmarks.execute import Plan
from benchmarks.finished import RunFailed
from benchmarks.launcher import Launcher
from benchmarks.page.page import Contents
from benchmarks.ready import missing, no_reference, not_logged
from benchmarks.report import files, pages, tables
from benchmarks.result import Result
from benchmarks.row import Row
from benchmarks.suite import rows_of
from vision_jax.errors import UserError

RunSeed = Callable[[Row, int, Plan], execute.Outcome]
GO_ON = "the same command goes on from here"


def main(argv: Sequence[str] | None = None) -> int:
  """Runs the suites that `argv` names and returns the exit code."""
  asked = options.read(argv)
  output = asked.output
  if asked.revision:
    found = revision.compare(
      asked.rows, asked.revision, asked.overrides, asked.variant
    )
    return revision.report(found, asked.revision, output)
  if asked.fresh and output.exists():
    rows = [row for name in asked.suites for row in rows_of(name)]
    for values in ({}, *asked.sweep):
      _clear(output / sweep.label(values), rows)
  output.mkdir(parents=True, exist_ok=True)
  kept = earlier(output / "results.jsonl")
  plan = Plan(
    output=output,
    variant=asked.variant,
    overrides=asked.overrides,
    commit=environment.git_commit(),
    until=time.monotonic() + asked.budget,
  )
  points, results = [], kept
  try:
    plan, run_seed = _where(asked, plan)
  except UserError as error:
    print(f"error: {error}", file=sys.stderr)
    return 2
  for point in _points(asked, plan, run_seed):
    points.append(point)
    results = pages.in_order([*kept, *(result for _, result, _ in points)])
    lines.write(results, output / "results.jsonl")
  run = [result for _, result, _ in points]
  beside = _beside(asked, run)
  contents = Contents(
    f"Suite {', '.join(asked.suites)}",
    results,
    runs=output,
    beside=beside,
    doubts=doubts.every(results, asked.refused),
  )
  *_, page = files.write(contents, output)
  if asked.sweep[0]:
    print(f"\nsweep: {sweep.write(points, output)}")
  print(f"\n{tables.on_screen(run)}\n\nreport: {page}, and as .md and .csv")
  if beside is not None:
    print(f"\n{against.on_screen(beside)}")
  return _conclude(run) or _conclude_beside(beside or ())


def _where(asked: options.Options, plan: Plan) -> tuple[Plan, RunSeed]:
  """The plan with its hardware, and what runs a seed there.

  Raises:
    UserError: if the launcher cannot be used.
  """
  if not asked.launcher:
    hardware = environment.probe()
    return dataclasses.replace(plan, hardware=hardware), execute.run_seed
  place = plan.output / "jobs"
  launcher = Launcher(asked.launcher, asked.launched, place)
  hardware = launcher.result(environment.probe)
  plan = dataclasses.replace(plan, hardware=hardware)
  wanted = [
    (row, seed, own)
    for row, seeds, _, own in _wanted(asked, plan)
    if plan.variant == "tiny" or not missing(row, own)
    for seed in range(seeds)
  ]
  return plan, launcher.seeds(wanted)


def _wanted(
  asked: options.Options, plan: Plan
) -> Iterator[tuple[Row, int, sweep.Values, Plan]]:
  """Yields each row with its seeds' number, a sweep's values and its plan."""
  for values, row in itertools.product(asked.sweep, asked.rows):
    seeds = 1 if row.source else asked.seeds or row.seeds
    yield row, seeds, values, _swept(plan, values)


def _points(
  asked: options.Options, plan: Plan, run_seed: RunSeed
) -> Iterator[sweep.Point]:
  """Runs rows until the budget is used up, each with every value of a sweep."""
  for row, seeds, values, own in _wanted(asked, plan):
    try:
      found = run_row(row, range(seeds), own, run_seed)
    except execute.OutOfTime:
      print(f"{row.name}: stopped, as the budget is used up; {GO_ON}")
      return
    yield values, found, sweep.of_val(row, own.output, seeds)


def _swept(plan: Plan, values: Mapping[str, str]) -> Plan:
  """The plan with further values, in a folder of theirs."""
  return dataclasses.replace(
    plan,
    output=plan.output / sweep.label(values),
    overrides={**plan.overrides, **values},
  )


def _beside(
  asked: options.Options, run: Sequence[Result]
) -> list[against.Comparison] | None:
  """The results beside earlier ones; None where none were given."""
  if asked.against is None:
    return None
  return against.compare(asked.against, run, [x.name for x in asked.rows])


def earlier(file: pathlib.Path) -> list[Result]:
  """Returns the results that earlier calls wrote; none where there is none.

  Raises:
    SystemExit: with code 2, where the file is not of this form.
  """
  try:
    return lines.read(file) if file.exists() else []
  except UserError as error:
    print(f"{error}; choose another --output, or --fresh", file=sys.stderr)
    raise SystemExit(2) from error


def run_row(
  row: Row,
  seeds: Sequence[int],
  plan: Plan,
  run_seed: RunSeed = execute.run_seed,
) -> Result:
  """Runs a row's seeds and returns its result; never raises for a bad row."""
  absent = functools.partial(result.make_absent, row, plan)
  if plan.variant != "tiny" and (reason := missing(row, plan)):
    print(f"{row.name}: not run here: {reason}", flush=True)
    return absent(reason)
  if reason := no_reference(row) or not_logged(row, seeds, plan):
    print(f"{row.name}: failed: {reason}", flush=True)
    return absent(reason, statistics.FAILED)
  outcomes = []
  for seed in seeds:
    which = f"{row.name}, seed {seed}"
    try:
      outcome = run_seed(row, seed, plan)
    except RunFailed as error:
      print(f"{which}: failed: {error}", flush=True)
      first = str(error).splitlines()[0]
      return absent(f"seed {seed}: {first}", statistics.FAILED)
    seconds = f"{outcome.seconds:.0f} s"
    print(f"{which}: {outcome.value:.4f} ({seconds})", flush=True)
    outcomes.append(outcome)
  return result.make_result(row, outcomes, plan)


def _clear(output: pathlib.Path, rows: Sequence[Row]) -> None:
  """Removes what this runner writes, and nothing else."""
  for row in rows:
    shutil.rmtree(output / row.name, ignore_errors=True)
  for name in ("results.jsonl", *files.NAMES):
    (output / name).unlink(missing_ok=True)


def _conclude(results: Sequence[Result]) -> int:
  broken = tables.failed(results)
  if broken:
    print(f"failed: {', '.join(broken)}", file=sys.stderr)
  return 1 if broken else 0


def _conclude_beside(beside: Sequence[against.Comparison]) -> int:
  worse = against.worse(beside)
  if worse:
    print(f"worse than before: {', '.join(worse)}", file=sys.stderr)
  return 3 if worse else 0


def _interruptible() -> int:
  """Like `main`; SIGTERM and ctrl-C let the current run save, then leave."""
  signal.signal(signal.SIGTERM, signal.default_int_handler)
  try:
    return main()
  except KeyboardInterrupt:
    print(f"\nstopped; {GO_ON}", file=sys.stderr)
    return 130
  except RuntimeError as error:  # no jax device
    print(f"benchmarks.run: {error}", file=sys.stderr)
    return 1


if __name__ == "__main__":
  sys.exit(_interruptible())
