"""A detector that is saved and restored goes on as one never stopped."""

import jax
import numpy as np
import optax
import pytest

from tests.tables import TASKS
from vision_jax.core.execution import Jit
from vision_jax.core.state import create_state
from vision_jax.core.step import make_train_step
from vision_jax.train.checkpoint.checkpoints import Checkpoints

NAMES = (
  *("detection_encoder_queries", "dense_detection"),
  *("yolox", "two_stage_detection", "instance_segmentation"),
)
STEPS, STOP, BATCH = 4, 2, 32


def bits(state):
  """Every number of a state, on the host."""
  state = state.replace(key=jax.random.key_data(state.key))
  return jax.device_get(state)


# With the execution tests of these tasks, whose compiled steps it shares.
@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_restored_detector_continues_bit_for_bit(name, tmp_path):
  (case,) = (case for case in TASKS if case.name == name)
  execution, task = Jit(devices=jax.devices()[:1]), case.make()
  chain = optax.chain(optax.clip_by_global_norm(1.0), optax.sgd(0.1, 0.9))
  optimizers = {"model": chain}
  make = lambda: create_state(
    task, optimizers, jax.random.key(0), case.batch(BATCH, 0), ema=case.ema
  )
  state = execution.init(make)
  whole = make_train_step(task, optimizers, augment=case.augment, ema=case.ema)
  step = execution.train_step(whole, state)
  for number in range(STEPS):
    if number == STOP:
      with Checkpoints(tmp_path, best=None) as checkpoints:
        checkpoints.save(number, state)
    state, _ = step(state, execution.put(case.batch(BATCH, number)))
  expected = bits(state)
  with Checkpoints(tmp_path, best=None) as checkpoints:
    state, _ = checkpoints.restore(execution.abstract(make))
  assert int(state.step) == STOP
  stopped = jax.tree.leaves(bits(state).params)
  for number in range(STOP, STEPS):
    state, _ = step(state, execution.put(case.batch(BATCH, number)))
  jax.tree.map(np.testing.assert_array_equal, bits(state), expected)
  # And the steps since then have changed something.
  moved = zip(stopped, jax.tree.leaves(expected.params), strict=True)
  assert any((a != b).any() for a, b in moved)
