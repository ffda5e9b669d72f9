"""What a call of `benchmarks.run` asks for."""

import argparse
import dataclasses
import difflib
import math
import pathlib
import sys
from collections.abc import Iterable, Mapping, Sequence

from benchmarks import launcher, lines, revision, sweep
from benchmarks.duration import read_budget
from benchmarks.overrides import read_overrides
from benchmarks.result import Result
from benchmarks.row import Row
from benchmarks.suite import NAMES, rows_of
from vision_jax.errors import UserError


@dataclasses.dataclass(frozen=True)
class Options:
  """The command's flags, checked.

  Attributes:
    suites: their names.
    rows: the suites' rows to run.
    output: folder of runs and results.
    seeds: how many of each row; each row's own number where None.
    variant: the configs' variant; the rows' own where it is "".
    overrides: values to change in every config.
    sweep: combinations of further values, each to be run; one of none by
      default.
    launcher: what runs the seeds as jobs, see `benchmarks.launcher`; "" runs
      them here, one by one.
    launched: how it does.
    budget: seconds of this call.
    fresh: whether to drop the suites' earlier runs first.
    revision: a commit whose steps are timed beside those here; "" for none.
    against: earlier results, to compare the new ones with; None for none.
    refused: why other lines of that file are no results.
  """

  suites: Sequence[str]
  rows: Sequence[Row]
  output: pathlib.Path
  seeds: int | None
  variant: str
  overrides: Mapping[str, str]
  fresh: bool
  launcher: str = ""
  launched: Mapping[str, str] = dataclasses.field(default_factory=dict)
  budget: float = math.inf
  sweep: Sequence[Mapping[str, str]] = ({},)
  revision: str = ""
  against: Sequence[Result] | None = None
  refused: Sequence[lines.BadResult] = ()


def read(argv: Sequence[str] | None) -> Options:
  """Reads the flags.

  Raises:
    SystemExit: with code 2, for a suite, row or value that there is not.
  """
  parser = _parser()
  given, rest = parser.parse_known_args(argv)
  try:
    launched, rest = launcher.read(rest)
    _check_launcher(given, launched)
    values = read_overrides(rest)
    combined = sweep.read(given.sweep)
    if twice := {*values} & {*combined[0]}:
      raise UserError(
        f"--sweep: {sorted(twice)[0]!r} is given by --config too; expected one."
      )
    if "seed" in {*values, *combined[0]}:
      raise UserError("--config.seed: the runner sets it, say --seeds=N.")
    if given.seeds is not None and given.seeds < 1:
      raise UserError(f"--seeds: got {given.seeds}; expected at least 1.")
    suites = _listed(given.suite) or [given.suite]
    _check("suite", suites, NAMES)
    rows = _select([x for name in suites for x in rows_of(name)], given.rows)
    budget = read_budget(given.budget) if given.budget else math.inf
    path = pathlib.Path(given.against)
    is_revision = bool(given.against) and not path.exists()
    if is_revision:
      revision.commit_of(given.against)
    read = given.against and not is_revision
    earlier = _earlier(path) if read else (None, ())
  except UserError as error:
    parser.error(str(error))
  return Options(
    suites=suites,
    rows=rows,
    output=pathlib.Path(given.output or f"out/{'_'.join(suites)}").resolve(),
    seeds=given.seeds,
    variant=given.variant,
    overrides=values,
    fresh=given.fresh,
    launcher=given.launcher,
    launched=launched,
    budget=budget,
    sweep=combined,
    revision=given.against if is_revision else "",
    against=earlier[0],
    refused=earlier[1],
  )


def _select(rows: Sequence[Row], names: str) -> list[Row]:
  """The rows named in a list with commas; all where it is empty."""
  known = {row.name: row for row in rows}
  wanted = _listed(names) or [*known]
  _check("row", wanted, known)
  return [known[name] for name in wanted]


def _earlier(path: pathlib.Path) -> tuple[list[Result], list[lines.BadResult]]:
  """Reads earlier results; of lines that are none it says so.

  Raises:
    UserError: there is nothing but such lines.
  """
  found, bad = lines.read_each(path)
  if bad and not found:
    raise UserError(f"--against: {bad[0]}")
  for error in bad:
    print(f"--against: {error}; it is left out", file=sys.stderr)
  return found, bad


def _check_launcher(
  given: argparse.Namespace, values: Mapping[str, str]
) -> None:
  if values and not given.launcher:
    raise UserError(
      f"--launcher.{next(iter(values))}: there is no --launcher; expected one "
      f"of {', '.join(launcher.KINDS)}."
    )
  if given.launcher and given.budget:
    raise UserError(
      "--budget: got it with --launcher, whose jobs have limits of their own: "
      "--launcher.timeout_min=MINUTES."
    )


def _listed(names: str) -> list[str]:
  """The names in a list with commas, each once."""
  return [*dict.fromkeys(name for name in names.split(",") if name)]


def _check(what: str, names: Iterable[str], known: Iterable[str]) -> None:
  known = [*known]
  for name in names:
    if name not in known:
      near = difflib.get_close_matches(name, known, 1, cutoff=0.0)[0]
      raise UserError(
        f"no {what} {name!r}; did you mean {near!r}? There are: "
        f"{', '.join(known)}."
      )


def _parser() -> argparse.ArgumentParser:
  parser = argparse.ArgumentParser(
    prog="python -m benchmarks.run",
    description="Runs a benchmark suite and prints it beside its references.",
    epilog="--config.KEY=VALUE changes a config value of every row; such "
    "results are marked not comparable, as are those of --variant=tiny.",
    allow_abbrev=False,
  )
  parser.add_argument(
    "--suite",
    required=True,
    help=f"one or more, with commas: {', '.join(NAMES)}",
  )
  parser.add_argument(
    "--seeds", type=int, help="how many, from 0; each row's own by default"
  )
  parser.add_argument("--output", default="", help="folder, default out/SUITE")
  parser.add_argument("--rows", default="", help="only these, with commas")
  parser.add_argument("--variant", default="", help="of the configs: tiny")
  parser.add_argument(
    "--launcher",
    default="",
    help="slurm or local: a job a seed, through submitit; how is said by "
    "--launcher.KEY=VALUE, such as --launcher.partition=gpu",
  )
  parser.add_argument(
    "--budget",
    default="",
    help="time of this call, such as 90s, 25m or 1h: what runs then saves "
    "itself and stops, and the same command goes on",
  )
  parser.add_argument(
    "--sweep",
    action="append",
    default=[],
    metavar="KEY:VALUE,VALUE",
    help="run each of these values of the config; several are combined",
  )
  parser.add_argument(
    "--fresh", action="store_true", help="drop the suites' earlier runs first"
  )
  parser.add_argument(
    "--against",
    default="",
    metavar="FILE",
    help="earlier results, a .jsonl file or a folder of them: what has become "
    "worse than there, beyond the noise, is listed, and the exit code is 3; or "
    "a commit: nothing is trained, and steps are timed beside its, in turns",
  )
  return parser
