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
  data          fingerprints by split
"""

import datetime
import json
import logging
import os
import pathlib
import platform
import shlex
import sys
from collections.abc import Mapping
from typing import Any

from etils import epath

import vision_jax
from vision_jax.files import replace_text, to_json
from vision_jax.train.log import machine

_LOG = logging.getLogger(__name__)

NAME = "manifest.json"
ENVIRONMENT = ("XLA_", "JAX_", "LIBTPU_", "MALLOC_", "VISION_JAX_")


def describe_run(
  *, data: Mapping[str, str] | None = None, step: int = 0
) -> dict[str, Any]:
  """Returns an entry of the manifest; starts jax's backend if need be.

  Args:
    data: fingerprint of each split.
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
    "data": dict(data or {}),
  }


def append_run(workdir: epath.PathLike, entry: Mapping[str, Any]):
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


def data_changes(workdir: epath.PathLike, data: Mapping[str, str]) -> list[str]:
  """Says which data are not those that a workdir's last run had.

  Args:
    workdir: the run's folder.
    data: fingerprint of each split, as they are now.

  Returns:
    A line for each split that has changed.
  """
  path = epath.Path(workdir) / NAME
  try:
    last = json.loads(path.read_text())["runs"][-1]
    old, step = dict(last["data"]), last["step"]
  except (OSError, ValueError, LookupError, TypeError):
    return []  # there was none, or nothing is known of it
  return [
    f"The data {name!r} have changed since the run from step {step} "
    f"(fingerprint {old[name]} then, {new} now): files or values were added, "
    "removed or altered, or the split is another. Figures before and after do "
    "not compare."
    for name, new in data.items()
    if old.get(name, new) != new
  ]


def _devices() -> dict[str, Any]:
  import jax

  devices = jax.devices()
  return {
    "platform": devices[0].platform,
    "kind": devices[0].device_kind,
    "count": len(devices),
    "processes": jax.process_count(),
  }
