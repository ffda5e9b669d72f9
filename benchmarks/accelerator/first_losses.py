"""Every config's first loss on this machine, against the CPU's."""

from typing import Any

import jax
import numpy as np

from benchmarks.speed import steps
from vision_jax.planning import made_up

RELATIVE = 1e-2  # products of float32 have ten bits of mantissa on GPUs


def measure(name: str, **_: Any) -> dict[str, Any]:
  """Returns the loss of configs/NAME.py's tiny variant on its first batch."""
  experiment, config = steps.build(f"configs/{name}.py:tiny", {})
  batch = made_up.batch(experiment, config)
  cpu, here = jax.devices("cpu")[0], jax.devices()[0]
  with jax.default_device(cpu):
    make = lambda: experiment.initial_state(jax.random.key(0), batch)
    state = jax.jit(make)()
  want, got = (
    first_loss(experiment, config, state, batch, d) for d in (cpu, here)
  )
  worst = float(np.max([_relative(got[k], want[k]) for k in want]))
  return {"loss": got, "cpu": want, "error": worst, "ok": worst <= RELATIVE}


def first_loss(experiment, config, state, batch, device):
  """The first step's losses, whole or of each net."""
  step = steps.step_of(experiment, config)

  def losses(state, batch):  # gradients are no result: they are not compiled
    logs = step(state, batch)[1]
    return {k: x for k, x in logs.items() if k.startswith("loss")}

  with jax.default_device(device):
    found = jax.jit(losses)(*jax.device_put((state, batch), device))
  return {name: float(x) for name, x in found.items()}


def _relative(got: float, want: float) -> float:
  return abs(got - want) / max(abs(want), 1e-3)
