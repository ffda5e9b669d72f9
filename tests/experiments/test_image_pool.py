"""CycleGAN's pool of earlier images: statistics over the batch.

Threes become eights and back. Discriminators see fakes of earlier steps too:
their statistics hold the newest.
"""

import numpy as np
import optax
import pytest

from tests.experiments.everywhere import (
  BATCH,
  assert_equal_everywhere,
  assert_resumes,
  digits,
  train,
)
from vision_jax.data.loader import Loader
from vision_jax.data.sources.digits import Digits
from vision_jax.data.subsets import subset
from vision_jax.data.together import Together
from vision_jax.models.translation.patch_gan import PatchGAN
from vision_jax.models.translation.resnet import ResNetGenerator
from vision_jax.ops.inputs import in_unit
from vision_jax.tasks.cycle import CycleTranslation

POOL = 24


def make():
  source = Digits("train")
  of = lambda label: np.flatnonzero(source.arrays["label"] == label)
  loader = lambda k: Loader(subset(source, of(k)), [], BATCH, seed=k)
  task = CycleTranslation(
    ResNetGenerator(1, 4, 1, norm="none"),
    PatchGAN(4, 1, norm="none"),  # a norm of 2 x 2 pixels enlarges rounding
    pool=POOL,
  )
  return digits(
    task,
    optimizers={one.net: optax.sgd(0.01, 0.9) for one in task.objectives},
    train_data=Together(a=loader(3), b=loader(8)),
    inputs=in_unit,
    augment=None,
  )


@pytest.mark.slow
def test_the_pool_has_the_newest_images_in_order():
  """Those of the generators as they are after their own update."""
  experiment = make()
  with experiment:
    batch = in_unit(experiment.train_data.batch(0))
  outcome = train(make, "jit", steps=1)
  params, stats = outcome.state.weights()
  drawn = experiment.task.both(params, stats, batch, None)
  for side in "ab":
    pool = outcome.state.stats["discriminator"][f"pool_{side}"]
    image = (np.asarray(pool["image"]) + 1) / 2
    np.testing.assert_allclose(image[-BATCH:], drawn[side], atol=1e-5)
    there = np.arange(POOL) >= POOL - BATCH
    np.testing.assert_array_equal(pool["there"], there)
    assert {
      f"train/discriminator_{side}/discriminator",
      f"train/cycle_{side}/generator",
    } <= {*outcome.metrics}


@pytest.mark.slow
@pytest.mark.parametrize("accumulate", [1, 2])
def test_it_is_the_same_everywhere(accumulate):
  assert_equal_everywhere(make, accumulate=accumulate)


@pytest.mark.slow
def test_it_resumes_bit_for_bit(tmp_path):
  assert_resumes(make, tmp_path)
