"""Runs of masks and depth that are stopped go on as others; bfloat16."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from tests.programs.command import assert_same, stored, train
from tests.tables import segmented_images
from vision_jax.core.state import create_state
from vision_jax.core.step import make_train_step
from vision_jax.models.segmentation.unet import UNet
from vision_jax.tasks.segmentation import Segmentation

# With dropout, augmentation, averaged weights and losses that rank pixels.
MASKS = "configs/segmentation/camvid_unet.py:tiny"
DEPTH = "configs/depth/scenes_depth.py:tiny"


@pytest.mark.slow
@pytest.mark.parametrize(
  ("config", "more"), [(MASKS, ("--config.loss=ohem,lovasz",)), (DEPTH, ())]
)
def test_a_stopped_run_continues_bit_for_bit(tmp_path, config, more):
  flags = ("--config.steps=12", "--config.eval_every=0", *more)
  options = {"config": config, "devices": 1}
  train(tmp_path / "whole", *flags, **options)
  first = train(tmp_path / "stopped", *flags, stop_at=7, **options)
  assert "SIGTERM: saved step 7 of 12" in first.err
  again = train(tmp_path / "stopped", *flags, **options)
  assert "Resuming at step 7 of 12." in again.err
  assert_same(stored(tmp_path / "stopped"), stored(tmp_path / "whole"))


def descend(dtype, steps=12):
  """Returns each step's loss on one batch, and the parameters at the end."""
  task = Segmentation(UNet(4, width=8, depth=1, dtype=dtype))
  batch = segmented_images(8, 0)
  optimizers = {"model": optax.sgd(0.1, 0.9)}
  state = jax.jit(
    lambda: create_state(task, optimizers, jax.random.key(0), batch)
  )()
  step = jax.jit(make_train_step(task, optimizers))
  losses = []
  for _ in range(steps):
    state, logs = step(state, batch)
    losses.append(float(logs["loss"]))
  return np.array(losses), state.params


@pytest.mark.slow
def test_bfloat16_descends_as_float32_does():
  exact, _ = descend(jnp.float32)
  losses, params = descend(jnp.bfloat16)
  assert {x.dtype for x in jax.tree.leaves(params)} == {jnp.dtype("float32")}
  assert exact[-1] < 0.9 * exact[0]
  # Products of bfloat16 have 8 bits; what they cost is little of the descent.
  assert abs(losses[0] - exact[0]) < 0.02 * exact[0]
  fallen = exact[0] - exact[-1]
  assert abs(losses[-1] - exact[-1]) < 0.3 * fallen
