"""Where something runs: the processor, the versions, the commit."""

import importlib.metadata
import os
import pathlib
import platform
import re
import resource
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

PACKAGES = (
  "jax",
  "jaxlib",
  "flax",
  "optax",
  "orbax-checkpoint",
  "numpy",
)


def versions(names: Sequence[str] = PACKAGES) -> dict[str, str | None]:
  """Returns versions by package, None where one is not installed."""
  return {name: _version(name) for name in names}


def cpu_name() -> str:
  """Returns the processor's model name, or the architecture's."""
  try:
    text = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8")
  except OSError:
    return platform.processor() or platform.machine()
  for line in text.splitlines():
    if line.startswith("model name"):
      return line.partition(":")[2].strip()
  return platform.processor() or platform.machine()


def cpu_count() -> int:
  """Returns how many cores this process may use."""
  if hasattr(os, "sched_getaffinity"):
    return len(os.sched_getaffinity(0))
  return os.cpu_count() or 1


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
      timeout=30,
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


def _version(name: str) -> str | None:
  try:
    return importlib.metadata.version(name)
  except importlib.metadata.PackageNotFoundError:
    return None


def peak_bytes() -> float:
  """Peak memory: of the fullest local device, or on a CPU of the process."""
  import jax  # here, so that what runs without it can ask for the rest

  stats = [d.memory_stats() or {} for d in jax.local_devices()]
  peaks = [s["peak_bytes_in_use"] for s in stats if "peak_bytes_in_use" in s]
  return float(max(peaks)) if peaks else process_peak_bytes()


def process_peak_bytes() -> float:
  """Peak memory of this process, resident on the host.

  On Linux `ru_maxrss` counts what the process that started this one had, too.
  """
  try:
    text = pathlib.Path("/proc/self/status").read_text(encoding="utf-8")
  except OSError:
    text = ""
  if match := re.search(r"^VmHWM:\s*(\d+) kB$", text, re.MULTILINE):
    return 1024.0 * int(match[1])
  peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
  return float(peak if sys.platform == "darwin" else peak * 1024)
