"""Settings of the process that make XLA fast on a CPU.

XLA allocates and frees its buffers every step; by default glibc gives them back
to the kernel and each step faults them in again. And XLA's option for
convolutions runs them on all cores; it gains on jax 0.10 only. What the user
has set in the environment is left alone.

The option names what a library (YNNPACK) computes in XLA's place; convolutions
are not named, and so run on all cores. Its values "dot" and "eltwise" fuse
several operations, and jax 0.10.2 then gives wrong numbers now and then on two
threads: 5 in 1,500 Muon updates of a (3, 3, 96, 48) kernel, off by up to 9 % of
the largest value. Single products and reductions gave none in 9,000.
"""

import ctypes
import glob
import importlib.metadata
import os

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -2, -4, -8
_CONVOLUTIONS = "--xla_cpu_experimental_ynn_fusion_type"
_SAFE = "individual_dot,reduce"
_ACCELERATORS = (
  *("/dev/nvidia[0-9]*", "/dev/kfd"),  # GPUs
  *("/dev/accel*", "/dev/vfio/[0-9]*"),  # TPUs
)


def on_cpu() -> bool:
  """Whether jax will run on the CPU, told without importing it."""
  chosen = os.environ.get("JAX_PLATFORMS", "")
  if chosen:
    return chosen.split(",")[0] == "cpu"
  return not any(glob.glob(pattern) for pattern in _ACCELERATORS)


def tune_allocator() -> bool:
  """Keeps freed memory in the process. Call it before jax is imported.

  Memory can double. Returns whether it was set: not without glibc, nor where
  the environment has MALLOC_ settings, nor for an accelerator.
  """
  if not on_cpu() or any(name.startswith("MALLOC_") for name in os.environ):
    return False
  try:
    mallopt = ctypes.CDLL(None).mallopt
  except (OSError, AttributeError, TypeError):
    return False
  settings = {
    _M_MMAP_MAX: 0,
    _M_TRIM_THRESHOLD: 2**31 - 1,
    _M_TOP_PAD: 2**28,
    _M_ARENA_MAX: 1,
  }
  done = [mallopt(name, value) for name, value in settings.items()]
  return all(done)


def flags_file() -> str | None:
  """The file of flags that XLA_FLAGS names, where it does not hold them."""
  flags = os.environ.get("XLA_FLAGS", "").strip()
  return flags if flags and not flags.startswith("-") else None


def tune_convolutions() -> bool:
  """Sets XLA's option for convolutional nets. Call it before a backend starts.

  Returns whether it was set: on a CPU and jax 0.10 only, and not where
  XLA_FLAGS has it or names a file.
  """
  if flags_file() is not None:
    return False
  flags = os.environ.get("XLA_FLAGS", "")
  known = importlib.metadata.version("jaxlib").startswith("0.10.")
  if not known or not on_cpu() or _CONVOLUTIONS in flags:
    return False
  option = f"{_CONVOLUTIONS}={_SAFE}"
  os.environ["XLA_FLAGS"] = f"{flags} {option}".strip()
  return True
