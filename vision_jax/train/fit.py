"""Training in memory: for a net that another evaluation looks through."""

from typing import Any

import jax

from vision_jax.core.execution import Jit
from vision_jax.core.seeds import make_key
from vision_jax.core.step import make_train_step
from vision_jax.errors import RunFailure
from vision_jax.train.initial import check_trainable


def fit(experiment: Any, *, steps: int, seed: int = 0) -> tuple[Any, Any]:
  """Returns the parameters and statistics after `steps`, on the host.

  The same step as in a run, on one device, without workdir, logs or
  evaluation; every process computes the same.

  Args:
    experiment: what to train, built for no axis.
    steps: how many.
    seed: of the initial weights.

  Raises:
    RunFailure: if a loss or gradient was not finite.
  """
  check_trainable(experiment.task)
  execution = Jit(devices=jax.local_devices()[:1])
  loader = experiment.train_data
  first = loader.batch(0)
  state = execution.init(
    lambda: experiment.initial_state(make_key(seed), first)
  )
  step = execution.train_step(
    make_train_step(
      experiment.task,
      experiment.optimizers,
      inputs=experiment.inputs,
      augment=experiment.augment,
      ema=experiment.ema,
    ),
    state,
  )
  for number in range(steps):
    state, _ = step(state, execution.put(loader.batch(number)))
  if (bad := int(state.bad_step)) >= 0:
    raise RunFailure(
      f"fit: step {bad + 1} of {steps} gave a loss or gradient that is not "
      "finite; lower the learning rate."
    )
  return jax.device_get(state.weights())
