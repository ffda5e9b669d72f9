"""A step's memory as planned, and as Linux saw it: CONFIG BATCH.

Prints both in bytes. The program is compiled first, so that what is measured
is what the state, the batch and the step take. On one device and processor, as
each thread of XLA's keeps memory of its own, and compiled as users compile.
"""

import json
import os
import pathlib
import re
import sys

# Before there are threads of XLA's.
os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
os.environ["JAX_NUM_CPU_DEVICES"] = "1"
os.environ.pop("XLA_FLAGS", None)

import jax  # noqa: E402

from vision_jax.core.execution import Jit  # noqa: E402
from vision_jax.planning import made_up, plan, program  # noqa: E402

STATUS = pathlib.Path("/proc/self/status")


def kilobytes(name):
  return int(re.search(rf"{name}:\s+(\d+)", STATUS.read_text())[1])


def main():
  config, size = sys.argv[1:]
  values, execution = {"batch_size": size}, Jit(devices=jax.devices()[:1])
  experiment, own = plan.built(config, values)
  shapes = plan.batch_of(config, values, int(size))
  state, fixed = program.shapes_of(experiment, execution, shapes)
  step = program.compiled(
    experiment.train_step(), execution, state, shapes, fixed
  )
  drawn = made_up.batch(experiment, own)
  init = jax.jit(lambda: experiment.initial_state(jax.random.key(0), shapes))
  made = init.lower().compile()
  pathlib.Path("/proc/self/clear_refs").write_text("5")  # the peak, anew
  before = kilobytes("VmRSS")
  state = made()
  batch = execution.put(drawn)
  for _ in range(2):
    state, _ = step(state, batch, fixed)
  jax.block_until_ready(state)
  found = {
    "planned": program.taken_by(step),
    "measured": 1024 * (kilobytes("VmHWM") - before),
  }
  print(json.dumps(found))


if __name__ == "__main__":
  main()
