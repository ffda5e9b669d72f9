"""What a run was made of: workdir/manifest.json.

{"runs": [RUN, ...]}, a RUN for each start and each resume of the workdir:

  started       local time with its zone, ISO 8601
  command       what was typed
  step          the step that it began from
  git           {"commit": ..., "dirty": ...} of this package, null outside git;
                dirty: files that git tracks have changed
  packages      versions by name, null where one is not installed
  python, platform, cpu, cores
  devices       {"platform": ..., "kind": ..., "count": ..., "processes": ...}
  environment   the variables that change what XLA and jax compute
  data          fingerprint of each data set
  batches       hash of each data set's first batch, as the host makes it
  files         SHA-256 of the config file and of each of ours that it imports
  fixed         fingerprint of the weights of each fixed net
"""

import dataclasses
import datetime
import json
import logging
import os
import pathlib
import platform
import shlex
import sys
from collections.abc import Callable, Mapping
from typing import Any

from etils import epath

import vision_jax
from vision_jax.errors import UserError
from vision_jax.files import replace_text, to_json
from vision_jax.provenance import machine
from vision_jax.provenance.parts import Parts, differences

_LOG = logging.getLogger(__name__)

NAME = "manifest.json"
SHOWN = 3  # names of what differs from an earlier run
ENVIRONMENT = ("XLA_", "JAX_", "LIBTPU_", "MALLOC_", "VISION_JAX_")


def describe_run(parts: Parts, step: int = 0) -> dict[str, Any]:
  """Returns an entry of the manifest; starts jax's backend if need be.

  Args:
    parts: what it is made of.
    step: the step that the run begins from.
  """
  return {
    "started": datetime.datetime.now().astimezone().isoformat("T", "seconds"),
    "command": shlex.join(["python", *sys.orig_argv[1:]]),
    "step": step,
    "git": machine.git_state(pathlib.Path(__file__).parent),
    "packages": {"vision_jax": vision_jax.__version__} | machine.versions(),
    "python": platform.python_version(),
    "platform": platform.platform(),
    "cpu": machine.cpu_name(),
    "cores": machine.cpu_count(),
    "devices": _devices(),
    "environment": {
      name: value
      for name, value in sorted(os.environ.items())
      if name.startswith(ENVIRONMENT)
    },
  } | dataclasses.asdict(parts)


def append_run(workdir: epath.PathLike, entry: Mapping[str, Any]) -> None:
  """Adds an entry to the manifest of a workdir.

  A manifest that cannot be read is renamed, with a warning: it is no reason to
  stop a run.
  """
  path = epath.Path(workdir) / NAME
  runs = []
  if path.exists():
    try:
      runs = list(json.loads(path.read_text())["runs"])
    except (ValueError, KeyError, TypeError):
      aside = path.parent / (NAME + ".damaged")
      path.replace(aside)
      _LOG.warning("%s could not be read; it is now %s.", path, aside)
  text = to_json({"runs": [*runs, dict(entry)]}, indent=2)
  replace_text(path, text + "\n")


def last_run(workdir: epath.PathLike) -> dict[str, Any]:
  """Returns the last entry of a workdir's manifest; {} where none is known."""
  try:
    last = json.loads((epath.Path(workdir) / NAME).read_text())["runs"][-1]
  except (OSError, ValueError, LookupError, TypeError):
    return {}
  return last if isinstance(last, dict) else {}


def log_differences(
  workdir: epath.PathLike,
  now: Parts,
  log: Callable[[str], None],
  *,
  strict: bool = False,
) -> None:
  """Logs in one line what is not as the workdir's last run had it.

  Args:
    workdir: the run's folder.
    now: what there is to compare; the rest is not looked at.
    log: prints a line for the user.
    strict: refuse instead.

  Raises:
    UserError: under `strict`, if something differs.
  """
  last = last_run(workdir)
  if not (differ := differences(last, now)):
    return
  more = len(differ) - SHOWN
  line = (
    f"Not as in the run from step {last.get('step')} of {workdir}: "
    + ", ".join(differ[:SHOWN])
    + (f" and {more} more" if more > 0 else "")
    + ". Metrics before and after do not compare"
  )
  if strict:
    raise UserError(
      f"--strict: {line}. Restore what the run had, or leave out --strict."
    )
  log(f"{line} (--strict refuses).")


def _devices() -> dict[str, Any]:
  import jax

  devices = jax.devices()
  return {
    "platform": devices[0].platform,
    "kind": devices[0].device_kind,
    "count": len(devices),
    "processes": jax.process_count(),
  }
