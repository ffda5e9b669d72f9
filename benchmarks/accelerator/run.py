"""Runs the stages: a process for each group, a line after each measurement."""

import datetime
import os
from collections.abc import Mapping
from typing import Any

from benchmarks import environment
from benchmarks.accelerator import child, report
from benchmarks.accelerator.guard import Guard
from benchmarks.accelerator.journal import Journal
from benchmarks.accelerator.options import Options
from benchmarks.accelerator.plan import SIZES, Group, groups
from benchmarks.accelerator.states import ABSENT, FAILED, LATE
from vision_jax.errors import RunFailure
from vision_jax.files import replace_text

LEAST = 1.0  # seconds in which a process can do anything


def run(options: Options) -> bool:
  """Measures, prints and writes; returns whether all that ran was right.

  Raises:
    UserError: for a folder of other results.
    RunFailure: if jax does not start.
  """
  stages, size = options.stages, options.size
  guard = Guard(options.budget, SIZES[size], stages)
  journal = Journal(options.output)
  settings = _environment(options)
  head = _head(options, settings)
  journal.begin(head)
  why = _why_not(head)
  for stage in stages:
    for group in groups(stage, size):
      _measure(options, journal, guard, stage, group, settings, why)
  rows = list(journal.rows.values())
  page = report.page(journal.head, rows)
  replace_text(options.output / "report.md", page)
  for title, lines in report.closing(rows):
    print(f"\n{title}:", *lines, sep="\n  ")
  print(f"\nreport: {options.output / 'report.md'}", flush=True)
  return all(row["state"] != FAILED and row.get("ok", True) for row in rows)


def _measure(options, journal, guard, stage, group: Group, variables, why):
  """Measures what is not done yet of a group, as long as there is time."""
  left = [n for n in group.names if not journal.done(stage, n)]
  while left:
    limit = min(group.limit, guard.left(stage))
    if why:
      found = iter([{"name": left[0], "state": ABSENT, "why": why}])
    elif limit < LEAST:
      late = f"the stage {stage} is over; the same command goes on"
      found = iter([{"name": left[0], "state": LATE, "why": late}])
    else:
      found = child.rows(
        f"benchmarks.accelerator.{group.module}",
        left,
        _settings(options),
        limit,
        variables,
        options.output / "log.txt",
      )
    for row in found:
      _add(journal, {"stage": stage, **row})
      left.remove(row["name"])


def _add(journal: Journal, row: Mapping[str, Any]) -> None:
  now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
  commit = environment.git_commit()
  journal.add({**row, "git_commit": commit, "date": now})
  print(report.line(row), flush=True)


def _settings(options: Options) -> dict[str, str]:
  return {
    "size": options.size,
    "data_dir": options.data_dir,
    "folder": str(options.output.absolute()),
  }


def _environment(options: Options) -> dict[str, str]:
  """The variables of the processes that measure."""
  ours = {
    "JAX_COMPILATION_CACHE_DIR": str((options.output / "cache").absolute()),
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
  }
  platforms = os.environ.get("JAX_PLATFORMS", "")
  if platforms and "cpu" not in platforms.split(","):
    ours["JAX_PLATFORMS"] = f"{platforms},cpu"  # which results are checked by
  if options.xla_flags:
    before = os.environ.get("XLA_FLAGS", "")
    ours["XLA_FLAGS"] = f"{before} {options.xla_flags}".strip()
  return {**os.environ, **ours}


def _head(options: Options, variables: Mapping[str, str]) -> dict[str, Any]:
  """What the results are of."""
  try:
    hardware = environment.probe(variables)
  except RuntimeError as error:
    raise RunFailure(str(error)) from error
  own = {"size": options.size, "xla_flags": options.xla_flags}
  return hardware | environment.versions() | own


def _why_not(head: Mapping[str, Any]) -> str:
  """Why nothing can be measured here; "" where it can."""
  if head["platform"] == "cpu" and head["size"] == "full":
    return (
      "jax runs on the CPU; install jax for this machine's accelerator, or try "
      "the script out by --size=tiny"
    )
  return ""
