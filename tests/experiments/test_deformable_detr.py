"""Deformable DETR: the same everywhere, resumed, its forms."""

import dataclasses

import jax
import numpy as np
import pytest

from tests.experiments.everywhere import (
  assert_equal_everywhere,
  assert_resumes,
)
from tests.programs import command
from vision_jax.errors import UserError
from vision_jax.optim.optimizers import sgd
from vision_jax.recipe import recipe

CONFIG = f"{command.ROOT}/configs/detection/bccd_deformable_detr.py:tiny"


# A step of which compiles in a third of the time.
SMALL = {
  **{"form": "refined", "width": 4, "stages": "1,1,1", "levels": "c3,c4"},
  **{"decoder_layers": 1, "features": 16, "hidden": 16, "heads": 2},
}


def build(**values):
  texts = {k: str(x) for k, x in values.items()}
  made = recipe.load(CONFIG, texts).build()
  return dataclasses.replace(made, evals={}, best=None, predict=None)


def descending():
  """By SGD: of a gradient near 0 a step of Adam is rounding alone."""
  optimizer = sgd(1e-3, momentum=0.9)
  return dataclasses.replace(build(**SMALL), optimizers={"model": optimizer})


@pytest.mark.slow
def test_it_is_the_same_everywhere():
  assert_equal_everywhere(descending)


@pytest.mark.slow
def test_it_resumes(tmp_path):
  assert_resumes(lambda: build(**SMALL), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("form", ["plain", "refined"])
def test_every_form_has_its_heads(form):
  experiment = build(form=form)
  batch = experiment.inputs(experiment.train_data.batch(0))
  state = jax.eval_shape(
    lambda: experiment.initial_state(jax.random.key(0), batch)
  )
  own = state.params["model"]
  heads = sorted(name for name in own if name.startswith("class_head"))
  plain = ["class_head"]
  assert heads == (plain if form == "plain" else ["class_head1", "class_head2"])
  assert own["query_positions"].shape == (10, 64)
  # At first a head's points lie a pixel apart, each head's in a direction.
  assert np.prod(
    own["encoder1"]["self_attention"]["offsets"]["bias"].shape
  ) == (4 * 4 * 2 * 2)


def test_an_unknown_form():
  with pytest.raises(UserError, match="form: got 'paper'; expected one of pla"):
    build(form="paper")
