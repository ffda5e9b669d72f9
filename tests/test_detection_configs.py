"""What the detection configs build."""

import jax
import pytest

from vision_jax.recipe import recipe


def test_a_config_can_be_told_to_learn_a_few_images_by_heart():
  overrides = {"only": "16"}
  loaded = recipe.load("configs/detection/digit_scenes_detr.py:tiny", overrides)
  experiment = loaded.build()
  seen = next(experiment.evals["seen"].data.epoch())
  learned = experiment.train_data.batch(0)
  assert (
    seen["index"].tolist() == list(range(16)) and len(learned["mask"]) == 16
  )
  boxes = {x.tobytes() for x in learned["boxes"]}  # an epoch is one batch
  assert boxes == {x.tobytes() for x in seen["boxes"]}


@pytest.mark.parametrize(
  ("form", "last"), [("anchored", "conv4_1"), ("paper", "conv5_1")]
)
def test_the_bccd_config_has_no_stage_that_learns_nothing(form, last):
  loaded = recipe.load("configs/detection/bccd_detr.py:tiny", {"form": form})
  experiment = loaded.build()
  batch = experiment.train_data.batch(0)
  state = jax.eval_shape(
    lambda: experiment.initial_state(jax.random.key(0), batch)
  )
  assert max(k for k in state.params["model"]["backbone"] if "_" in k) == last
