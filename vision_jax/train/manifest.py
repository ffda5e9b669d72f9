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
import importlib.metadata
import json
import os
import pathlib
import platform
import shlex
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from absl import logging
from etils import epath

import vision_jax
from vision_jax.train.workdir import replace_text

NAME = "manifest.json"
PACKAGES = (
  "jax",
  "jaxlib",
  "flax",
  "optax",
  "orbax-checkpoint",
  "numpy",
)
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
    "git": git_state(pathlib.Path(__file__).parent),
    "packages": {"vision_jax": vision_jax.__version__}
    | {name: _version(name) for name in PACKAGES},
    "python": platform.python_version(),
    "platform": platform.platform(),
    "cpu": cpu_model(),
    "cores": len(os.sched_getaffinity(0))
    if hasattr(os, "sched_getaffinity")
    else os.cpu_count(),
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
      logging.warning("%s could not be read; it is now %s.", path, aside)
  text = json.dumps({"runs": [*runs, dict(entry)]}, indent=2)
  replace_text(path, text + "\n")


def git_state(folder: pathlib.Path) -> dict[str, Any] | None:
  """Returns the commit of a folder that git tracks and whether it is dirty.

  None where git is absent, or knows nothing of the folder's files (a package
  that is installed somewhere inside another repository).
  """

  def git(*args: str) -> str:
    return subprocess.run(
      ["git", "-C", str(folder), *args],
      check=True,
      capture_output=True,
      text=True,
      timeout=10,
    ).stdout.strip()

  try:
    if not git("ls-files"):
      return None
    return {
      "commit": git("rev-parse", "HEAD"),
      "dirty": bool(git("status", "--porcelain", "--untracked-files=no")),
    }
  except (OSError, subprocess.SubprocessError):
    return None


def cpu_model() -> str:
  """The processor's name."""
  try:
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
      if line.startswith("model name"):
        return line.partition(":")[2].strip()
  except OSError:
    pass
  return platform.processor() or platform.machine()


def _version(name: str) -> str | None:
  try:
    return importlib.metadata.version(name)
  except importlib.metadata.PackageNotFoundError:
    return None


def _devices() -> dict[str, Any]:
  import jax

  devices = jax.devices()
  return {
    "platform": devices[0].platform,
    "kind": devices[0].device_kind,
    "count": len(devices),
    "processes": jax.process_count(),
  }
