"""RT-DETR: a step is the same on several devices."""

import dataclasses

import pytest

from tests.experiments.everywhere import assert_equal_everywhere
from tests.programs import command
from vision_jax.optim.optimizers import sgd
from vision_jax.recipe import recipe

CONFIG = f"{command.ROOT}/configs/detection/bccd_rt_detr.py:tiny"


# A step of which compiles in a third of the time.
SMALL = {
  **{"width": 4, "stages": "1,1", "levels": "c3", "decoder_layers": 1},
  **{"features": 16, "hidden": 16, "heads": 2, "denoising": 1},
}


def descending():
  """By SGD: of a gradient near 0 a step of Adam is rounding alone."""
  values = {k: str(x) for k, x in SMALL.items()}
  experiment = recipe.load(CONFIG, values).build()
  optimizers = {"model": sgd(1e-3, momentum=0.9)}
  own = {"evals": {}, "best": None, "predict": None}
  return dataclasses.replace(experiment, optimizers=optimizers, **own)


@pytest.mark.slow
def test_it_is_the_same_under_pmap():
  """Whose BatchNorm has to add up; FSDP's is that of other DETRs."""
  assert_equal_everywhere(descending, ("pmap",))
