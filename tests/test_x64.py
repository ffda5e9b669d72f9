"""JAX_ENABLE_X64: the programs stay float32, and draw the same numbers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.tables import TASKS
from vision_jax.core.state import create_state
from vision_jax.core.step import make_train_step
from vision_jax.layers.stochastic import Dropout
from vision_jax.ops import diffusion
from vision_jax.ops.augment.keys import example_keys, uniforms
from vision_jax.ops.diffusion.likelihood import bits_per_dim
from vision_jax.ops.diffusion.predictions import Denoised
from vision_jax.optim import optimizers, schedules
from vision_jax.tasks.generative import latents


def wide_values(jaxpr):
  """Yields the equations of a program that make float64 arrays."""
  for equation in jaxpr.eqns:
    for x in equation.outvars:
      # Scalars that decide nothing alone, and Python's numbers, are let be.
      wide = getattr(x.aval, "dtype", None) == jnp.float64
      if wide and x.aval.shape and not x.aval.weak_type:
        yield equation
    for inner in jax.tree.leaves(
      list(equation.params.values()), is_leaf=lambda x: hasattr(x, "eqns")
    ):
      inner = getattr(inner, "jaxpr", inner)
      if hasattr(inner, "eqns"):
        yield from wide_values(inner)


COSTLY = (
  *("diffusion", "flow_matching", "detection_encoder_queries"),
  *("dense_detection", "captioning", "temporal", "yolox", "yolo", "ssd"),
  *("cycle_translation", "paired_translation"),
  *("two_stage_detection", "instance_segmentation"),
)


@pytest.mark.parametrize(
  "case",
  [
    pytest.param(
      case, id=case.name, marks=[pytest.mark.slow] * (case.name in COSTLY)
    )
    for case in TASKS
  ],
)
def test_training_and_samples_stay_float32(case):
  task, rate = case.make(), schedules.warmup_cosine(1e-3, 9, warmup=3)
  txs = {o.net: optimizers.adamw(rate) for o in task.objectives}
  with jax.enable_x64(True):
    batch = jax.tree.map(jnp.asarray, case.batch(8, 0))
    start = lambda batch: create_state(
      task, txs, jax.random.key(0), batch, ema=case.ema
    )
    state = jax.eval_shape(start, batch)
    step = make_train_step(
      task, txs, augment=case.augment, ema=case.ema, accumulate=2
    )
    draw = getattr(task, "sample", task.predict)

    def everything(state, batch):
      out = draw(state.params, state.stats, batch, jax.random.key(0))
      return start(batch), step(state, batch), out

    program, shapes = jax.make_jaxpr(everything, return_shape=True)(
      state, batch
    )
  same = lambda a, b: a.shape == b.shape and a.dtype == b.dtype
  assert jax.tree.all(jax.tree.map(same, state, shapes[1][0]))
  assert not [str(e) for e in wide_values(program.jaxpr)]


def draws():
  """Whatever is drawn, of one key, as numpy arrays."""
  batch = {"index": jnp.arange(4, dtype=jnp.int32)}
  key = jax.random.key(7)
  keys = example_keys(batch, key)
  denoise = lambda x, t: Denoised(jnp.clip(x, -1, 1))
  schedule = diffusion.cosine(20)
  sample = lambda name: diffusion.sample(
    denoise, schedule, keys, (4, 4, 1), sampler=name, steps=3
  )
  image = jnp.zeros((4, 4, 4, 1), jnp.float32)
  return jax.device_get(
    {
      "uniforms": uniforms(batch, key, 3),
      "latents": latents(batch, key, 5),
      "row": latents(batch, key, 5, interpolate=3),
      "ddpm": sample("ddpm"),
      "ddim": sample("ddim"),
      "bits": bits_per_dim(denoise, schedule, image, keys, terms=4),
      "kept": Dropout(0.3).apply(
        {}, image + 1, train=True, rngs={"dropout": key}
      ),
    }
  )


def test_draws_are_the_same():
  plain = draws()
  with jax.enable_x64(True):
    wide = draws()
  for (path, a), b in zip(
    jax.tree_util.tree_leaves_with_path(plain),
    jax.tree.leaves(wide),
    strict=True,
  ):
    assert a.dtype == b.dtype == np.float32, path
    np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5, err_msg=str(path))
