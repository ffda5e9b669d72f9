"""What segmentation and detection ask of a backbone, of each that gives it."""

import functools

import jax
import jax.numpy as jnp
import pytest

from tests.tables_models import MODELS
from vision_jax.models.detection.detr import Detr

ROWS = {row.name: row for row in MODELS}
# Name -> the paths of its head, which maps leave out.
HEADS = {
  "convnext_t": {"norm", "head"},
  "swin_t": {"norm", "head"},
  "efficientnet_b0": {"conv2", "bn2", "fc"},
  "efficientnet_v2s": {"conv2", "bn2", "fc"},
}


def narrow(name, **fields):
  row = ROWS[name]
  return row.make(**{**row.narrow, **fields})


@pytest.mark.parametrize("name", list(HEADS))
def test_maps_are_of_their_strides(name):
  model, x = narrow(name), jnp.zeros((2, 32, 64, 3))
  init = functools.partial(model.init_with_output, jax.random.key(0))
  make = lambda **options: jax.eval_shape(
    lambda: init(x, train=False, **options)
  )
  maps, without = make(features=True)
  logits, with_head = make()
  assert logits.shape == (2, 10)
  assert list(maps) == list(model.strides)
  for level, stride in model.strides.items():
    assert maps[level].shape[:3] == (2, 32 // stride, 64 // stride), level
  assert set(with_head["params"]) - set(without["params"]) == HEADS[name]


def test_a_detector_takes_any_of_them():
  body = narrow("swin_t")
  model = Detr(3, body, levels=("c2", "c3"), features=8, heads=2, hidden=8)
  x = jnp.zeros((1, 32, 32, 3))
  init = lambda: model.init_with_output(jax.random.key(0), x, train=False)
  out, variables = jax.eval_shape(init)
  assert out["boxes"].shape == (6, 1, 100, 4)
  assert "head" not in variables["params"]["backbone"]
