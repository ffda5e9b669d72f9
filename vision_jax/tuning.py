"""Settings of the process that make XLA fast: on a CPU, and on GPUs.

What the user has set in the environment is left alone.

XLA allocates and frees its buffers every step; by default glibc gives them back
to the kernel and each step of a CPU faults them in again. And XLA's option for
convolutions runs them on all cores; it gains on jax 0.10 only.

The option names what a library (YNNPACK) computes in XLA's place; convolutions
are not named, and so run on all cores. Its values "dot" and "eltwise" fuse
several operations, and jax 0.10.2 then gives wrong numbers now and then on two
threads: 5 in 1,500 Muon updates of a (3, 3, 96, 48) kernel, off by up to 9 % of
the largest value. Single products and reductions gave none in 9,000.

On a GPU jax takes 75 % of the memory by itself. With several, XLA's scheduler
that hides latency starts a sum over devices as soon as its gradient is there,
while the next one is computed. Neither has been timed by us.
"""

import ctypes
import glob
import importlib.metadata
import importlib.util
import mmap
import os
import pathlib
import shlex
from collections.abc import Callable, Iterable, Sequence

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -2, -4, -8
_CONVOLUTIONS = "--xla_cpu_experimental_ynn_fusion_type"
_SAFE = "individual_dot,reduce"
HIDE_LATENCY = "--xla_gpu_enable_latency_hiding_scheduler"
DETERMINISTIC = "--xla_gpu_deterministic_ops"
_GPUS = ("/dev/nvidia[0-9]*", "/dev/kfd")
_ACCELERATORS = (*_GPUS, "/dev/accel*", "/dev/vfio/[0-9]*")  # and TPUs
_MEMORY = "XLA_CLIENT_MEM_FRACTION"
USERS_MEMORY = (
  *(_MEMORY, "XLA_PYTHON_CLIENT_MEM_FRACTION"),
  *("XLA_PYTHON_CLIENT_PREALLOCATE", "XLA_PYTHON_CLIENT_ALLOCATOR"),
)


def on_cpu() -> bool:
  """Whether jax will run on the CPU, told without importing it."""
  chosen = os.environ.get("JAX_PLATFORMS", "")
  if chosen:
    return chosen.split(",")[0] == "cpu"
  return not _found(_ACCELERATORS)


def on_gpu() -> bool:
  """Whether jax will run on a GPU, told without importing it."""
  chosen = os.environ.get("JAX_PLATFORMS", "").split(",")[0]
  if chosen:
    return chosen in ("cuda", "gpu", "rocm")
  return _found(_GPUS) > 0


def gpus() -> int:
  """How many GPUs this process will see, 0 where that is not known."""
  visible = os.environ.get("CUDA_VISIBLE_DEVICES")
  if visible is not None:
    return len([name for name in visible.split(",") if name.strip()])
  return _found(_GPUS[:1])


def _found(patterns: Sequence[str]) -> int:
  return sum(len(glob.glob(pattern)) for pattern in patterns)


def tune_allocator() -> bool:
  """Keeps freed memory in the process. Call it before jax is imported.

  Memory can double, and more without `tune_dispatch`. Returns whether it was
  set: not without glibc, nor where the environment has MALLOC_ settings, nor
  for an accelerator.
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


def tune_dispatch(update: Callable[[str, bool], None]) -> bool:
  """Has a CPU finish a step before the next begins. Call before a backend does.

  A step takes its memory when it is dispatched, and frees it some time after
  its results are there: steps in flight, which gain nothing on a CPU, each have
  their own, and the allocator keeps all of it. A ViT-Ti/4 at batch 64 takes 3.0
  to 6.8 GB so, and 1.7 with one step at a time.

  Args:
    update: jax's `config.update`.

  Returns:
    Whether it was set: not for an accelerator, nor where a CPU counts as
    several devices, which wait for each other in a step.
  """
  several = os.environ.get("JAX_NUM_CPU_DEVICES", "1") != "1"
  forced = "xla_force_host_platform_device_count"
  if not on_cpu() or several or forced in os.environ.get("XLA_FLAGS", ""):
    return False
  update("jax_cpu_enable_async_dispatch", False)
  return True


def flags_file() -> str | None:
  """The file of flags that XLA_FLAGS names, where it does not hold them."""
  flags = os.environ.get("XLA_FLAGS", "").strip()
  return flags if flags and not flags.startswith("-") else None


def tune_convolutions() -> bool:
  """Sets XLA's option for convolutional nets. Call it before a backend starts.

  Returns whether it was set: on a CPU and jax 0.10 only, and not where
  XLA_FLAGS has it or names a file.
  """
  gains = importlib.metadata.version("jaxlib").startswith("0.10.")
  return gains and on_cpu() and add_option(_CONVOLUTIONS, _SAFE)


def add_option(name: str, value: str) -> bool:
  """Adds an option to XLA_FLAGS, unless it has it or names a file.

  Returns whether it was added.
  """
  flags = os.environ.get("XLA_FLAGS", "")
  if flags_file() is not None or name in flags:
    return False
  os.environ["XLA_FLAGS"] = f"{flags} {name}={value}".strip()
  return True


def tune_memory() -> bool:
  """Lets jax take 92 % of a GPU's memory. Call it before a backend starts.

  Returns whether it was set: not where the user has set anything of it.
  """
  if not on_gpu() or any(name in os.environ for name in USERS_MEMORY):
    return False
  os.environ[_MEMORY] = "0.92"
  return True


def unknown_options(options: Iterable[str]) -> list[str]:
  """Returns which options (--name) the installed XLA does not have.

  XLA ends the process at an option that it does not know. That it knows one is
  told by its name being in the library; where there is no library to look into,
  none is unknown.
  """
  libraries = [_mapped(path) for path in _libraries()]
  known = lambda name: any(
    library.find(name.lstrip("-").encode()) >= 0 for library in libraries
  )
  return [name for name in options if libraries and not known(name)]


def options() -> dict[str, str]:
  """Returns the options in XLA_FLAGS, or in the file it names, by --name."""
  file, text = flags_file(), os.environ.get("XLA_FLAGS", "")
  if file is not None:
    text = pathlib.Path(file).read_text(encoding="utf-8")
  parts = [word.partition("=") for word in shlex.split(text)]
  return {name: value for name, _, value in parts}


def _libraries() -> list[pathlib.Path]:
  """Where jaxlib keeps XLA; told without importing it."""
  spec = importlib.util.find_spec("jaxlib")
  folders = spec.submodule_search_locations if spec else None
  files = [
    f for folder in folders or () for f in pathlib.Path(folder).iterdir()
  ]
  large = lambda f: f.suffix == ".so" and f.stat().st_size > 2**24
  return [f for f in files if large(f)]


def _mapped(path: pathlib.Path) -> mmap.mmap:
  with path.open("rb") as file:
    return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
