"""Which machine, which versions, which commit.

`python -m benchmarks.environment` prints it as JSON. The runner asks for it in
a child process, because a process that has opened an accelerator keeps it.
"""

import json
import os
import pathlib
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence

from vision_jax.provenance import machine
from vision_jax.recipe.sources import digest, sources

ROOT = pathlib.Path(__file__).resolve().parent.parent
# What trains a config, besides what that imports.
TRAINS = ("vision_jax.command.session", "vision_jax.command.modes.train")
# What evaluates a published file in place of that.
IMPORTS = (
  *("vision_jax.command.session", "vision_jax.command.modes.import"),
  *("vision_jax.command.modes.eval", "vision_jax.interop.published"),
)
# What measures a trained net's features.
PROBES = ("vision_jax.command.session", "vision_jax.command.modes.probe")


def versions() -> dict[str, str]:
  """Returns the versions of Python and of what a number depends on."""
  found = machine.versions(("vision_jax", *machine.PACKAGES))
  absent = {name: x or "not installed" for name, x in found.items()}
  return {"python": platform.python_version()} | absent


def git_commit() -> str:
  """Returns the checkout's commit, `-dirty` after it where files changed.

  Empty outside a checkout: a wheel is known by its version.
  """
  state = machine.git_state(ROOT)
  if state is None:
    return ""
  return state["commit"] + ("-dirty" if state["dirty"] else "")


def source_hash(config: str, makes: Sequence[str] = TRAINS) -> str:
  """Returns a hash of all that a run is made of, whether committed or not.

  Args:
    config: the config file, from the repository's root.
    makes: the modules that make the number of it.
  """
  text = (ROOT / config).read_text(encoding="utf-8")
  return digest(sources(config, text, makes))


def host_memory() -> int | None:
  """Returns the host's memory in bytes, None where it is unknown."""
  try:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
  except (AttributeError, OSError, ValueError):
    return None


def hardware() -> dict:
  """Opens jax's devices and says what they are."""
  import jax  # here, so that importing this module opens nothing

  devices = jax.devices()
  return {
    "platform": devices[0].platform,
    "device_kind": devices[0].device_kind,
    "device_count": len(devices),
    "process_count": jax.process_count(),
    "cpu": machine.cpu_name(),
    "cpu_cores": machine.cpu_count(),
    "host_memory_bytes": host_memory(),
  }


def probe(variables: Mapping[str, str] | None = None) -> dict:
  """Returns `hardware()` of a child process.

  Args:
    variables: added to those of the environment.

  Raises:
    RuntimeError: jax does not start; the message holds its last lines.
  """
  done = subprocess.run(
    [sys.executable, "-m", "benchmarks.environment"],
    capture_output=True,
    text=True,
    cwd=ROOT,
    env={
      **os.environ,
      "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
      **(variables or {}),
    },
  )
  if done.returncode:
    tail = "\n".join(done.stderr.splitlines()[-5:])
    raise RuntimeError(f"jax does not start on this machine:\n{tail}")
  return json.loads(done.stdout.splitlines()[-1])


def describe(found: dict) -> str:
  """Returns one line, such as `2 cores of AMD EPYC` or `1 x NVIDIA H200`."""
  if found["platform"] == "cpu":
    cores = found["cpu_cores"]
    return f"{cores} core{'s' * (cores != 1)} of {found['cpu']}"
  return f"{found['device_count']} x {found['device_kind']}"


if __name__ == "__main__":
  print(json.dumps(hardware()))
