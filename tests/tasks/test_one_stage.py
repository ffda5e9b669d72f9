"""YOLOX, YOLO and SSD as tasks: bad boxes, many boxes, one scene by heart."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.oracles import library
from tests.tables import boxed_images, small_ssd, small_yolo, small_yolox
from tests.tasks.test_detection import terms_of
from tests.tasks.test_detection_overfit import fit, metrics, scenes
from vision_jax.errors import UserError
from vision_jax.losses.dense import PointCriterion
from vision_jax.losses.grid import GridCriterion
from vision_jax.losses.multibox import MultiBoxCriterion
from vision_jax.losses.sim_ota import SimOTACriterion, class_cost
from vision_jax.models.backbones.csp_darknet import CSPDarknet
from vision_jax.models.backbones.darknet import Darknet
from vision_jax.models.backbones.vgg import VGG
from vision_jax.models.detection import yolox
from vision_jax.models.detection.ssd import SSD
from vision_jax.models.detection.yolo import YOLO
from vision_jax.ops.anchors import cells
from vision_jax.ops.box_coders import WithinCells
from vision_jax.tasks.dense_detection import DenseDetection

SMALL = {"yolox": small_yolox, "yolo": small_yolo, "ssd": small_ssd}


def started(name, size=8):
  """A task, its parameters and statistics, and a batch."""
  task, batch = SMALL[name](), boxed_images(size, 0)
  params, stats = jax.jit(task.init)(jax.random.key(0), batch)
  return task, params, stats, batch


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_bad_boxes_are_none_and_images_without_boxes_teach(name):
  task, params, stats, batch = started(name)
  bad = np.float32(
    [
      [1.4, 1.3, 0.2, 0.2],  # outside
      [0.5, 0.5, -0.3, 0.2],  # inverted
      [0.5, 0.5, 0.3, 0.0],  # of no area
    ]
  )
  n = batch["boxes"].shape[1]
  hidden = batch | {"box_mask": np.zeros_like(batch["box_mask"])}
  bad = batch | {"boxes": np.tile(bad, (8, n, 1))[:, :n]}
  bad["box_mask"] = np.ones_like(batch["box_mask"])
  (objective,) = task.objectives

  def loss(params, batch):
    terms = objective.loss(
      *(params, stats, batch, jax.random.key(0)), step=0, train=True
    )[0]
    return sum(x.divide() for x in terms.values()), terms

  step = jax.jit(jax.grad(loss, has_aux=True))
  for given in (batch, bad, hidden):
    grads, terms = step(params, given)
    assert all(np.isfinite(x).all() for x in jax.tree.leaves((grads, terms)))
    assert max(np.abs(x).max() for x in jax.tree.leaves(grads)) > 0
  learned = {"yolox": "objectness", "yolo": "objectness", "ssd": "class"}[name]
  for other in terms.keys() - {learned}:
    assert terms[other].divide() == 0, other
  spoiled = dict(batch, boxes=batch["boxes"].copy())
  spoiled["boxes"][batch["box_mask"] == 0] = np.nan
  kept = terms_of(task, params, stats, batch)
  assert terms_of(task, params, stats, spoiled) == kept
  assert kept.keys() == task.criterion.weights.keys()


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_two_thousand_objects_of_an_image_are_learned(name):
  task, params, stats, batch = started(name, 2)
  rng = np.random.default_rng(0)
  place = rng.uniform(0.1, 0.9, (2, 2000, 2))
  many = {
    "boxes": np.concatenate([place, np.full_like(place, 0.2)], -1),
    "label": rng.integers(0, 4, (2, 2000)).astype(np.int32),
    "box_mask": np.ones((2, 2000), np.float32),
  }
  many["boxes"] = many["boxes"].astype(np.float32)
  terms = terms_of(task, params, stats, batch | many)
  assert all(np.isfinite(x) and x > 0 for x in terms.values())


def to_learn(name):
  """A detector that sees 32 x 32 pixels."""
  if name == "yolox":
    body = CSPDarknet(12, (1, 1))
    model = yolox.YOLOX(10, body, ("c2", "c3"), features=24)
    criterion = SimOTACriterion()
  elif name == "yolo":
    shapes = ((6, 9), (9, 12))
    model = YOLO(10, Darknet(12, (1, 1)), ("c2",), shapes, convs=1)
    criterion = GridCriterion()
  else:
    body = VGG(0, ((12,), (24,), (24,), (24,)), True)
    model = SSD(
      *(10, body, ("c3", "c4")),
      hidden=24,
      more=(),
      scales=(0.25, 0.4, 0.6),
      ratios=((2,), (2,)),
      steps=(),
    )
    criterion = MultiBoxCriterion()
  return DenseDetection(model, criterion, least=0.05, overlap=0.5)


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_one_scene_is_learned_by_heart(name):
  task, batch = to_learn(name), scenes(1)
  # YOLOX's norms have moments that follow slowly.
  steps = 400 if name == "yolox" else 150
  got = metrics(task, fit(task, batch, steps, 3e-3), batch)
  assert got["ap50"] > 0.99, got


@pytest.mark.slow
def test_what_a_class_costs_is_torchs():
  torch = library("torch")
  rng = np.random.default_rng(0)
  logits, objectness = rng.normal(size=(9, 5)), rng.normal(size=9)
  label = rng.integers(0, 5, 4)
  ours = class_cost(
    jnp.float32(logits), jnp.float32(objectness), jnp.asarray(label)
  )
  prob = torch.tensor(logits).sigmoid()
  prob = (prob * torch.tensor(objectness).sigmoid()[:, None]).sqrt()
  wanted = torch.nn.functional.one_hot(torch.tensor(label), 5).double()
  loss = torch.nn.functional.binary_cross_entropy
  for i in range(9):
    each = prob[i].expand(4, 5)
    expected = loss(each, wanted, reduction="none").sum(-1)
    np.testing.assert_allclose(ours[i], expected, rtol=1e-4)


def grid_outputs(rng):
  """A grid of 2 x 2 cells of 8 pixels with two anchors, and its outputs."""
  place = np.repeat(cells((2, 2), 8), 2, 0)
  half = np.tile(np.float32([[2, 3], [5, 3]]), (4, 1))
  centre = (place[:, :2] + place[:, 2:]) / 2
  anchors = np.concatenate([centre - half, centre + half], -1)
  draw = lambda *shape: rng.normal(size=(1, 8, *shape)).astype(np.float32)
  offsets = draw(4)
  within = offsets.copy()
  within[..., :2] = 1 / (1 + np.exp(-offsets[..., :2]))
  out = {
    "logits": draw(3),
    "objectness": draw(),
    "offsets": offsets,
    "boxes": np.asarray(WithinCells().decode(within, anchors, place)),
    "anchors": anchors,
    "cells": place,
  }
  return {k: (jnp.asarray(x),) for k, x in out.items()}


@pytest.mark.slow
def test_a_grids_loss_is_that_of_a_plain_statement():
  """Two boxes: one in the second cell, flat; one in the third, upright."""
  out = grid_outputs(np.random.default_rng(0))
  boxes = np.float32([[0.7, 0.3, 0.5, 0.25], [0.2, 0.9, 0.2, 0.4]])
  batch = {
    "image": np.zeros((1, 16, 16, 3), np.float32),
    "boxes": boxes[None],
    "label": np.int32([[2, 0]]),
    "box_mask": np.ones((1, 2), np.float32),
    "mask": np.ones(1, np.float32),
  }
  terms = GridCriterion()(out, batch)
  got = {k: float(x.divide()) for k, x in terms.items()}
  value = {k: np.asarray(x[0], np.float64) for k, x in out.items()}
  entropy = lambda x, t: np.log1p(np.exp(x)) - x * t
  found, expected = {}, dict.fromkeys(got, 0.0)
  for i, place in ((0, 3), (1, 4)):  # cell 1's second, cell 2's first anchor
    x, y, w, h = boxes[i] * 16
    cell, anchor = value["cells"][place], value["anchors"][place]
    assert cell[0] <= x < cell[2] and cell[1] <= y < cell[3]
    offsets = value["offsets"][0, place]
    inside = (np.array([x, y]) - cell[:2]) / 8
    size = np.log(np.array([w, h]) / (anchor[2:] - anchor[:2]))
    expected["centre"] += entropy(offsets[:2], inside).sum() / 2
    expected["size"] += ((offsets[2:] - size) ** 2).sum() / 2 / 2
    wanted = np.eye(3)[batch["label"][0, i]]
    expected["class"] += entropy(value["logits"][0, place], wanted).sum() / 2
    found[place] = True
  corners = np.concatenate(
    [boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2], 1
  )
  for place in range(8):
    overlaps = [iou(value["boxes"][0, place], b * 16) for b in corners]
    if place in found or max(overlaps) <= 0.5:
      x = value["objectness"][0, place]
      expected["objectness"] += entropy(x, place in found) / 2
  assert got.keys() == expected.keys()
  for name, x in expected.items():
    np.testing.assert_allclose(got[name], x, rtol=1e-4, err_msg=name)


def iou(a, b):
  side = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
  both = np.prod(np.maximum(side, 0))
  return both / (np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - both)


@pytest.mark.parametrize(
  ("make", "message"),
  [
    (lambda: yolox.variant("xl", 3), "YOLOX: got the variant 'xl'; expected"),
    (
      lambda: DenseDetection(small_ssd().model, PointCriterion()),
      "criterion: got one with background=False for a model with background=T",
    ),
    (
      lambda: jax.eval_shape(
        lambda x: YOLO(3, Darknet(4, (1, 1)), ("c1", "c2"), ((1, 2),)).init(
          jax.random.key(0), x, train=False
        ),
        jnp.zeros((1, 8, 8, 3)),
      ),
      r"anchors: got \(\(1, 2\),\); expected \(width, height\)",
    ),
  ],
)
def test_what_they_refuse(make, message):
  with pytest.raises(UserError, match=message):
    make()
