"""A model as text: whole, and nothing but models."""

import json

import jax.numpy as jnp
import pytest
from flax import linen as nn

from vision_jax.errors import UserError
from vision_jax.models.backbones.resnet import ResNet, ResNet20
from vision_jax.models.described import build, describe
from vision_jax.models.listing import MODELS

CLASSIFIERS = [name for name, entry in MODELS.items() if entry.classifies]


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_text_builds_the_same_model(name):
  model = MODELS[name].make()
  assert build(describe(model)) == model


def test_fields_are_set_besides():
  text = describe(ResNet20(5, dtype=jnp.bfloat16, remat="blocks"))
  assert json.loads(text)["num_classes"] == 5
  got = build(text, num_classes=3, dtype="float32", remat="none")
  assert got == ResNet20(3, dtype="float32")
  with pytest.raises(UserError, match="ResNet has no field 'heads'"):
    build(text, heads=3)


@pytest.mark.parametrize(
  "text",
  [
    *("", "[]", "{}", '{"model": "os.path"}', '{"model": "count.count"}'),
    '{"model": "backbones.resnet.ResNet", "num_classes": 1, "steps": 3}',
    '{"model": "backbones.nothing.ResNet"}',
  ],
)
def test_text_of_no_model_is_an_error(text):
  with pytest.raises(UserError, match="describes no model here"):
    build(text)


def test_model_that_no_text_names_is_an_error():
  with pytest.raises(UserError, match="expected a model of vision_jax"):
    describe(nn.Dense(3))
  with pytest.raises(UserError, match="stages=<object"):
    describe(ResNet(3, stages=object()))
