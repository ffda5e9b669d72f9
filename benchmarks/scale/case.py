"""One case, in a process of its own: `python -m benchmarks.scale.case JSON`.

Prints a line of JSON, from the first of its processes.
"""

import json
import statistics
import sys
from collections.abc import Mapping
from typing import Any

import jax

from benchmarks.speed.timing import WARM, block
from vision_jax.core.execution import Execution
from vision_jax.core.types import NO_NETS
from vision_jax.parallel.named import make_execution
from vision_jax.planning import made_up, plan, program
from vision_jax.planning.collectives import collectives

BLOCKS = 5


def main() -> None:
  """Runs the case that the first argument is."""
  asked = json.loads(sys.argv[1])
  jax.config.update("jax_num_cpu_devices", asked["devices_here"])
  if asked["processes"] > 1:
    jax.distributed.initialize(
      asked["coordinator"], asked["processes"], asked["process"]
    )
  found = measured(asked)
  if jax.process_index() == 0:
    print(json.dumps(found), flush=True)


def measured(asked: Mapping[str, Any]) -> dict[str, Any]:
  """Returns milliseconds, bytes of a device, and what the devices send."""
  execution = make_execution(asked["execution"], asked["mesh"])
  experiment, config = plan.built(asked["config"], asked["overrides"])
  execution = execution.of(experiment.task)
  host = part_of(made_up.batch(experiment, config), execution)
  batch = execution.put(host)
  shapes = plan.batch_of(asked["config"], asked["overrides"], config.batch_size)
  key = jax.random.key(config.seed)
  state = execution.init(lambda: experiment.initial_state(key, shapes))
  fixed = NO_NETS
  if experiment.fixed:
    fixed = execution.init(lambda: experiment.initial_fixed(key, shapes))
  step = experiment.train_step(
    accumulate=config.accumulate, norm_group=config.norm_group
  )
  step = execution.train_step(step, state).lower(state, batch, fixed).compile()
  call = _Calls(step, state, batch, fixed)
  block(call, WARM)
  times = [block(call, asked["steps"]).seconds for _ in range(BLOCKS)]
  sent = collectives(step.as_text(), execution.devices)
  return {
    "step_ms": 1e3 * statistics.median(times),
    "blocks_ms": [1e3 * seconds for seconds in times],
    "device_bytes": program.bytes_of(step),
    "sent_bytes": sum(x.sent for x in sent),
    "collectives": {x.kind: x.count for x in sent},
    "loss": float(call.logs["loss"]),
  }


class _Calls:
  """Steps one after another, each from the state before."""

  def __init__(self, step, state, batch, fixed):
    self.logs: Any = None
    self._step, self._state, self._given = step, state, (batch, fixed)

  def __call__(self) -> Any:
    self._state, self.logs = self._step(self._state, *self._given)
    return self.logs


def part_of(batch: Mapping[str, Any], execution: Execution) -> dict[str, Any]:
  """Returns this process's slice of a batch."""
  number, count = execution.share
  size = len(batch["mask"]) // count
  return {k: x[number * size : (number + 1) * size] for k, x in batch.items()}


if __name__ == "__main__":
  main()
