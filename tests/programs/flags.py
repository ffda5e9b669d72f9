"""XLA's flags in the tests: cheap compilation, and the real ones.

Most of the suite's time is compilation of small programs. Without LLVM's
optimization passes it is a third less, and without the emitters of fusions,
which go through MLIR, another two fifths. Numbers differ by rounding alone.
A process that a test starts to measure speed, or a published figure, compiles
as a user's would.
"""

import importlib.metadata
import os

CHEAP = (
  "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
  " --xla_cpu_parallel_codegen_split_count=1"  # for several processors
)
if importlib.metadata.version("jaxlib").startswith("0.10."):
  CHEAP += " --xla_cpu_use_fusion_emitters=false"  # later ones have no choice


def compile_cheaply():
  """Sets the flags, where the user has set none. Call it before jax starts."""
  os.environ.setdefault("XLA_FLAGS", CHEAP)


def real_environment():
  """Returns this process's variables, without what compiles cheaply."""
  kept = dict(os.environ)
  flags = kept.pop("XLA_FLAGS", "").replace(CHEAP, "").strip()
  return kept | ({"XLA_FLAGS": flags} if flags else {})
