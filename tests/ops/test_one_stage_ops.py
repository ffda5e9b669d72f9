"""Assigners of YOLOX, YOLO and SSD, and their anchors, by plain statements."""

import jax
import numpy as np
import pytest

from tests.ops.test_dense_ops import boxes_within
from tests.oracles import library, torchvision
from vision_jax.ops import anchors, assigners
from vision_jax.ops.box_coders import WithinCells

CELLS = np.concatenate([anchors.cells((8, 8), 8), anchors.cells((4, 4), 16)])


def plain_iou(a, b):
  side = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
  both = np.prod(np.maximum(side, 0))
  whole = np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - both
  return both / whole if whole > 0 else 0.0


def plain_cost(cells, boxes, real, predicted, class_cost):
  """SimOTA as the paper says it, in loops."""
  there = [j for j, b in enumerate(boxes) if real[j] and (b[2:] > b[:2]).all()]
  near = {j: set() for j in there}
  for i, cell in enumerate(cells):
    centre, size = (cell[:2] + cell[2:]) / 2, cell[2] - cell[0]
    for j in there:
      away = np.abs(centre - (boxes[j][:2] + boxes[j][2:]) / 2).max()
      if away < 1.5 * size:
        near[j].add(i)
  candidates = sorted(set().union(*near.values())) if near else []
  overlap = {
    (i, j): plain_iou(predicted[i], boxes[j]) for i in candidates for j in there
  }
  cost = {
    (i, j): class_cost[i, j] - 3 * np.log(overlap[i, j] + 1e-8)
    for j in there
    for i in near[j]
  }
  chosen = {}
  for j in there:
    best = sorted((overlap[i, j] for i in candidates), reverse=True)[:10]
    due = max(int(np.sum(best)), 1)
    for i in sorted(near[j], key=lambda i: cost[i, j])[:due]:
      chosen.setdefault(i, []).append(j)
  found = np.full(len(cells), -1)
  for i, boxes_ in chosen.items():
    if len(boxes_) == 1:
      found[i] = boxes_[0]
    else:
      found[i] = min(
        (j for j in there if i in near[j]), key=lambda j: cost[i, j]
      )
  return found


def drawn(seed, n):
  """Boxes, predictions near them or anywhere, and costs of their classes."""
  rng = np.random.default_rng(seed)
  boxes = boxes_within(n, 64, seed)
  boxes[0] = [20, 20, 20, 40]  # of no area
  boxes[1] = boxes[1][[2, 3, 0, 1]]  # inverted
  boxes[2] += 100  # outside
  near = boxes[rng.integers(3, n, len(CELLS))]
  near = near + rng.normal(0, 3, near.shape).astype(np.float32)
  pair = np.split(near, 2, -1)
  predicted = np.concatenate([np.minimum(*pair), np.maximum(*pair)], -1)
  cost = rng.uniform(0, 5, (len(CELLS), n)).astype(np.float32)
  real = (np.arange(n) < n - 2).astype(np.float32)
  return boxes, real, predicted, cost


@pytest.mark.parametrize("n", [6, pytest.param(40, marks=pytest.mark.slow)])
def test_places_compete_as_in_a_plain_statement(n):
  find = jax.jit(lambda *x: assigners.by_cost(CELLS, *x))
  several = 0
  for seed in range(8):
    given = drawn(seed, n)
    expected = plain_cost(CELLS, *given)
    np.testing.assert_array_equal(find(*given), expected)
    counts = np.bincount(expected[expected >= 0], minlength=n)
    assert not counts[:3].any() and not counts[-2:].any()
    several += (counts > 1).sum()
  assert several > 0
  none = assigners.by_cost(
    CELLS, *(x[:0] for x in given[:2]), given[2], cost(0)
  )
  assert (np.asarray(none) == assigners.NOTHING).all()


def cost(n):
  return np.zeros((len(CELLS), n), np.float32)


def test_a_box_is_found_in_its_cell_by_the_anchor_of_its_shape():
  place = anchors.cells((2, 3), 10).repeat(2, 0)
  half = np.tile(np.float32([[2, 4], [4, 2]]), (6, 1))
  centre = (place[:, :2] + place[:, 2:]) / 2
  around = np.concatenate([centre - half, centre + half], -1)
  at = lambda x, y, w, h: [x - w / 2, y - h / 2, x + w / 2, y + h / 2]
  boxes = np.float32(
    [
      at(10, 5, 3, 9),  # on an edge: of the later cell, 1; upright
      at(15, 5, 4, 8),  # there too, and more like the anchor
      at(25, 15, 9, 4),  # cell 5, flat
      at(35, 5, 4, 8),  # outside
      at(5, 5, 4, 0),
      at(5, 15, 4, 8),  # padding
    ]
  )
  find = jax.jit(lambda *x: assigners.by_cell(around, place, *x))
  found = find(boxes, np.float32([1, 1, 1, 1, 1, 0]))
  expected = np.full(12, assigners.NOTHING)
  expected[2], expected[11] = 1, 2
  np.testing.assert_array_equal(found, expected)
  none = assigners.by_cell(around, place, boxes[:0], np.zeros(0))
  assert (np.asarray(none) == assigners.NOTHING).all()


def test_places_within_cells_there_and_back():
  rng = np.random.default_rng(0)
  place = np.tile(np.float32([8, 16, 16, 24]), (20, 1))
  around, boxes = boxes_within(20, 64), boxes_within(20, 64, 1)
  coder = WithinCells()
  code = coder.encode(boxes, around, place)
  np.testing.assert_allclose(
    coder.decode(code, around, place), boxes, atol=1e-3
  )
  inside = place[:, :2] + 8 * rng.uniform(0, 1, (20, 2))
  half = rng.uniform(1, 9, (20, 2))
  own = np.concatenate([inside - half, inside + half], -1).astype(np.float32)
  found = np.asarray(coder.encode(own, around, place)[:, :2])
  assert (found >= 0).all() and (found < 1).all()


def shapes_of(sides, ratios):
  """Widths and heights as the paper has them: squares, and pairs of ratios."""
  side, larger = sides[0], (sides[0] * sides[1]) ** 0.5
  wide = [(side * r**0.5, side / r**0.5) for r in ratios]
  pairs = [shape for w, h in wide for shape in ((w, h), (h, w))]
  return np.float32([(side, side), (larger, larger), *pairs])


@pytest.mark.slow
def test_default_boxes_and_their_owners_are_torchvisions():
  torch, _ = library("torch"), torchvision()
  utils = library("torchvision.models.detection.anchor_utils")
  lists = library("torchvision.models.detection.image_list")
  ratios, scales = [[2], [2, 3]], [0.2, 0.5, 1.05]
  sides, image = [(4, 6), (2, 3)], (40, 60)
  for steps in (None, [10, 20]):
    make = utils.DefaultBoxGenerator(ratios, scales=scales, steps=steps)
    images = lists.ImageList(torch.zeros(1, 3, *image), [image])
    maps = [torch.zeros(1, 1, *side) for side in sides]
    (expected,) = make(images, maps)
    ours = [
      anchors.default_boxes(
        *(image, sides[i], shapes_of(scales[i : i + 2], ratios[i])),
        step=steps[i] if steps else 0,
      )
      for i in range(2)
    ]
    ours = np.concatenate(ours)
    np.testing.assert_allclose(ours, expected, atol=1e-4)
  matchers = library("torchvision.models.detection._utils")
  overlap = library("torchvision.ops.boxes").box_iou
  for seed in range(5):
    boxes = boxes_within(7, 40, seed)
    theirs = matchers.SSDMatcher(0.5)(
      overlap(torch.tensor(boxes), torch.tensor(ours))
    )
    options = {"high": 0.5, "low": 0.5, "best": False, "own": True}
    found = assigners.by_overlap(ours, boxes, np.ones(7), **options)
    np.testing.assert_array_equal(found, theirs)
