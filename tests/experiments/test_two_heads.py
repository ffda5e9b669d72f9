"""A detector with two heads, whose losses have weights of their own."""

import dataclasses
from collections.abc import Mapping

import flax.linen as nn
import jax
import numpy as np
import pytest

from tests.experiments.everywhere import (
  assert_equal_everywhere,
  assert_resumes,
  train,
)
from tests.programs.command import ROOT
from vision_jax.layers.conv import Conv, global_average
from vision_jax.layers.dense import Dense
from vision_jax.losses.detection import SigmoidFocal
from vision_jax.losses.set_criterion import SetCriterion
from vision_jax.optim.optimizers import sgd
from vision_jax.recipe import recipe
from vision_jax.tasks.detection import Detection

SCENES = ROOT / "configs/detection/digit_scenes_detr.py"
CLASSES, QUERIES = 10, 6


class TwoHeads(nn.Module):
  """Boxes of a few queries; those of every cell help to learn."""

  background = False
  prefixes = ("",)

  @nn.compact
  def __call__(self, x, *, train, mask=None, image_mask=None):
    for number in range(3):
      x = jax.nn.relu(Conv(16, stride=2, name=f"conv{number}")(x))
    b, h, w, c = x.shape
    few = Dense(QUERIES * (CLASSES + 4), name="few")(global_average(x))
    few = few.reshape(1, b, QUERIES, CLASSES + 4)
    cells = Dense(CLASSES + 4, name="cells")(x.reshape(b, h * w, c))
    return {**boxes_of(few), **boxes_of(cells, "cells_")}


def boxes_of(x, prefix=""):
  logits, boxes = x[..., :CLASSES], jax.nn.sigmoid(x[..., CLASSES:])
  return {f"{prefix}logits": logits, f"{prefix}boxes": boxes}


@dataclasses.dataclass(frozen=True)
class Both:
  """A criterion for each head, by the prefix of its outputs and terms."""

  heads: Mapping[str, SetCriterion]
  background = False

  @property
  def weights(self):
    return {
      prefix + term: weight
      for prefix, criterion in self.heads.items()
      for term, weight in criterion.weights.items()
    }

  def __call__(self, outputs, batch):
    terms = {}
    for prefix, criterion in self.heads.items():
      own = {key: outputs[prefix + key] for key in ("logits", "boxes")}
      own = {k: x.reshape(-1, *x.shape[-3:]) for k, x in own.items()}
      own = criterion(own, batch)
      terms |= {prefix + term: own[term] for term in criterion.weights}
    return terms


def make():
  few = SetCriterion(SigmoidFocal())
  cells = SetCriterion(
    SigmoidFocal(alpha=0.5), weights={"class": 0.25, "giou": 0.5}
  )
  return dataclasses.replace(
    recipe.load(f"{SCENES}:tiny").build(),
    task=Detection(TwoHeads(), Both({"": few, "cells_": cells})),
    optimizers={"model": sgd(lambda step: 1e-3, 0.9)},
    evals={},
    best=None,
  )


def test_each_head_has_its_own_weights():
  metrics = train(make, "jit", steps=1).metrics
  weights = make().task.objectives[0].weights
  assert weights.keys() >= {"class", "l1", "cells_class", "cells_giou"}
  assert weights["class"] == 4 * weights["cells_class"]
  total = sum(w * metrics[f"train/{term}"] for term, w in weights.items())
  np.testing.assert_allclose(metrics["train/loss"], total, rtol=1e-5)


@pytest.mark.slow
def test_it_is_the_same_everywhere():
  assert_equal_everywhere(make, rounding=1e-4)


@pytest.mark.slow
def test_it_resumes_bit_for_bit(tmp_path):
  assert_resumes(make, tmp_path)
