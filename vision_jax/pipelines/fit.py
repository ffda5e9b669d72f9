"""Training in memory: for a net that another evaluation looks through."""

import dataclasses

import jax

from vision_jax.core.execution import Jit
from vision_jax.core.types import Variables
from vision_jax.experiment import Experiment
from vision_jax.train.initial import check_trainable
from vision_jax.train.runs import run


def fit(experiment: Experiment, *, steps: int, seed: int = 0) -> Variables:
  """Returns the parameters and statistics after `steps`, on the host.

  A run on one device, without workdir or evaluation; every process computes
  the same.

  Args:
    experiment: what to train, built for no axis.
    steps: how many.
    seed: seed of the initial weights.

  Raises:
    RunFailure: if a loss or gradient was not finite.
  """
  check_trainable(experiment.task)
  outcome = run(
    dataclasses.replace(experiment, evals={}, best=None),
    steps=steps,
    batch_size=experiment.train_data.batch_size,
    seed=seed,
    execution=Jit(devices=jax.local_devices()[:1]),
    quiet=True,
  )
  return jax.device_get(outcome.state.weights())
