"""Larger digits, and digits without a hole, drawn from an image."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.experiments.everywhere import (
  EXECUTIONS,
  assert_equal_everywhere,
  assert_resumes,
  digits,
  train,
)
from vision_jax.inference.sample import sample_folder
from vision_jax.models.generation.ddpm_unet import DDPMUNet
from vision_jax.ops import diffusion
from vision_jax.ops.given import given
from vision_jax.ops.inputs import normalize
from vision_jax.pipelines.colours import SIGNED
from vision_jax.tasks.condition_images import ImageCondition
from vision_jax.tasks.diffusion import Diffusion

UNET = DDPMUNet(
  width=8, multipliers=(1,), blocks=1, attention=(), groups=4, dropout=0.0
)


GIVEN = {"smaller": given("smaller", 2), "hole": given("hole", 4)}


def drawn_from_images(kind):
  task = Diffusion(
    UNET, diffusion.cosine(50), "v", condition=ImageCondition("given")
  )
  inputs = lambda batch: GIVEN[kind](normalize(*SIGNED)(batch))
  return digits(task, inputs=inputs)


@pytest.mark.slow
@pytest.mark.parametrize("kind", GIVEN)
def test_what_is_given_changes_what_is_drawn(kind, tmp_path):
  make = functools.partial(drawn_from_images, kind)
  weights = train(make).state.weights()
  # What begins as nothing is made something, so that few steps tell.
  head = {"kernel": jnp.ones_like(weights[0]["model"]["conv_out"]["kernel"])}
  weights[0]["model"]["conv_out"] |= head
  images = jnp.linspace(-1, 1, 2 * 64).reshape(2, 8, 8, 1)
  batch = {"image": images, "index": jnp.arange(2)}
  np.save(tmp_path / "given.npy", GIVEN[kind](batch)["given"])
  sample_folder(
    *(make(), weights, EXECUTIONS["one"](), (16, 8, 8, 1), tmp_path / "out"),
    num_samples=4,
    steps=3,
    seed=1,
    guidance=1.5,
    given=str(tmp_path / "given.npy"),
    log=lambda line: None,
  )
  drawn = np.load(tmp_path / "out" / "samples.npz")
  np.testing.assert_array_equal(drawn["given"][2:], drawn["given"][:2])
  assert drawn["image"].shape == (4, 8, 8, 1)
  condition = make().task.condition
  null = condition.null(drawn["given"])
  task, x, t = make().task, jnp.ones((4, 8, 8, 1)), jnp.full(4, 25)
  run = jax.jit(lambda given: task.denoiser(*weights, given)(x, t).x0)
  assert np.abs(run(drawn["given"]) - run(null)).max() > 1e-3


@pytest.mark.slow
def test_it_is_the_same_everywhere():
  assert_equal_everywhere(functools.partial(drawn_from_images, "smaller"))


@pytest.mark.slow
def test_it_resumes(tmp_path):
  make = functools.partial(drawn_from_images, "smaller")
  assert_resumes(make, tmp_path)
