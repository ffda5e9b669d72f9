"""Our step, as `benchmarks.speed` compiles it, in a process of its own."""

import statistics
import time
from typing import TYPE_CHECKING, Any

from benchmarks.compare.models import check_parameters
from benchmarks.speed import worker

if TYPE_CHECKING:  # it imports jax, which reads the tuning
  from benchmarks.speed.steps import Running


def measure(
  name: str,
  *,
  model: str,
  mode: str,
  batch_size: int,
  image_size: int,
  dtype: str,
  parameters: int,
  seconds: float,
  started: float,
  **_: Any,
) -> dict[str, Any]:
  """Returns a turn of ours, see `timed`."""
  words = [f"--model={model}", f"--mode={mode}", f"--dtype={dtype}"]
  sizes = [f"--batch_size={batch_size}", f"--image_size={image_size}"]
  running = worker.start(worker.parse([*words, *sizes, "--devices=1"]))
  state = running.program.state
  params = state["params"] if mode == "infer" else state.params
  own = check_parameters(name, model, size_of(params), parameters)
  own["flops_per_step"] = running.program.flops
  return own | timed(running, seconds, started)


def size_of(params: Any) -> int:
  """Returns the number of values in a tree."""
  import jax

  return sum(leaf.size for leaf in jax.tree.leaves(params))


def timed(running: "Running", seconds: float, started: float) -> dict[str, Any]:
  """Returns the milliseconds of a compiled step's blocks, and what came before.

  Args:
    running: the step.
    seconds: how long to time it, after a few that do not count.
    started: time.time() at which this process was started: `first_s` is when
      the first step ended after that.
  """
  from vision_jax.provenance.machine import peak_bytes

  running.blocks(1)
  first = time.time() - started
  found = running.lasting(seconds)["seconds"]
  return {
    "step_ms": 1e3 * statistics.median(found),
    "blocks_ms": [1e3 * x for x in found],
    "compile_s": running.about["compile_s"],
    "first_s": first,
    "peak_bytes": peak_bytes(),
    "device_kind": running.about["device_kind"],
  }
