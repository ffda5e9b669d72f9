"""Classifiers as extractors: trained in memory, tapped at their last layer."""

import jax
import numpy as np
import pytest

from vision_jax.layers.capture import apply_with_input
from vision_jax.models.backbones.cnn import CNN
from vision_jax.pipelines import extractors
from vision_jax.pipelines.fit import fit
from vision_jax.recipe import recipe

DIGITS = "configs/classification/digits_cnn.py:tiny"


def test_the_input_of_a_layer_is_caught_by_the_way():
  model, x = CNN(4, stages=((4,), (4,))), np.ones((2, 8, 8, 1), np.float32)
  variables = model.init(jax.random.key(0), x, train=False)
  logits, features = apply_with_input(
    model, variables, x, layer="head", train=False
  )
  np.testing.assert_array_equal(logits, model.apply(variables, x, train=False))
  head = variables["params"]["head"]
  np.testing.assert_allclose(
    features @ head["kernel"] + head["bias"], logits, rtol=1e-5, atol=1e-6
  )
  with pytest.raises(ValueError, match="0 layers named 'tail'"):
    apply_with_input(model, variables, x, layer="tail", train=False)


def test_an_extractor_is_the_classifier_on_its_own_scale():
  extractor = extractors.digits_cnn("tiny")
  state = extractor.state
  assert state is extractor.state, "trained once"
  experiment = recipe.load(DIGITS).build()
  loader = experiment.evals["test"].data
  batch = experiment.inputs(next(iter(loader.epoch())))
  image = batch["image"]  # (x - 0.5) / 0.5 is in [-1, 1]
  seen = extractor.apply(state["weights"], image)
  params, stats = state["weights"]
  logits = experiment.task.predict(
    params, stats, {"image": image}, jax.random.key(0)
  )["logits"]
  np.testing.assert_allclose(seen["logits"], logits, rtol=1e-4, atol=1e-5)
  assert state["shift"].shape == seen["features"].shape[1:]
  spread = np.abs(np.mean(seen["features"], 0) - state["shift"]).max()
  assert spread < 0.5 * np.abs(seen["features"]).max()


def test_fitting_is_the_steps_of_a_run():
  build = recipe.load(DIGITS).build
  same = [fit(build(), steps=3, seed=1) for _ in range(2)]
  jax.tree.map(np.testing.assert_array_equal, *same)
  other, _ = fit(build(), steps=3, seed=2)
  kernel = lambda params: params["model"]["head"]["kernel"]
  assert (kernel(other) != kernel(same[0][0])).any()
