"""Anchors, box coders, assigners and RoIAlign against torchvision's."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.oracles import library, torchvision
from vision_jax.errors import UserError
from vision_jax.ops import anchors, assigners
from vision_jax.ops.box_coders import Distances, Offsets
from vision_jax.ops.boxes import pairwise_iou
from vision_jax.ops.roi_align import roi_align


def boxes_within(count, side, seed=0):
  """xyxy boxes (count, 4) of at least two pixels in a square image."""
  rng = np.random.default_rng(seed)
  low = rng.uniform(0, side - 2, (count, 2))
  high = low + 2 + rng.uniform(0, 1, (count, 2)) * (side - 2 - low)
  return np.concatenate([low, high], -1).astype(np.float32)


def test_anchors_are_where_they_were_published():
  """The first ones of RetinaNet's finest level: 32 pixels, at the corner."""
  cells = anchors.cell((32, 40, 50), (0.5, 1.0, 2.0))
  assert cells.shape == (9, 4) and cells[0].tolist() == [-23, -11, 23, 11]
  found = anchors.anchors((64, 96), (8, 12), cells)
  assert found.shape == (8 * 12 * 9, 4)
  np.testing.assert_array_equal(found[:9], cells)
  np.testing.assert_array_equal(found[9], cells[0] + [8, 0, 8, 0])
  np.testing.assert_array_equal(found[-1], cells[-1] + [88, 56, 88, 56])


@pytest.mark.parametrize("coder", [Distances(), Offsets((10.0, 5.0))])
def test_codes_there_and_back(coder):
  around, boxes = boxes_within(20, 64), boxes_within(20, 64, 1)
  back = jax.jit(lambda x: coder.decode(coder.encode(x, around), around))
  np.testing.assert_allclose(back(boxes), boxes, atol=1e-3)


def test_a_place_finds_the_smallest_box_around_it():
  around = anchors.anchors((32, 32), (4, 4), anchors.cell([8]))
  ranges = np.tile(np.float32([0, np.inf]), (16, 1))
  boxes = np.float32(
    [[0, 0, 32, 32], [10, 10, 22, 22], [16, 16, 16, 30], [30, 30, 20, 20]]
  )
  find = jax.jit(lambda real: assigners.by_centre(around, ranges, boxes, real))
  found = np.asarray(find(np.ones(4))).reshape(4, 4)
  assert found[2, 2] == 1  # at (16, 16), in both
  assert found[1, 1] == 0 and found[0, 0] == -1  # on the edge is not inside
  assert set(np.unique(found)) == {-1, 0, 1}  # no area, out of order: none
  assert (np.asarray(find(np.zeros(4))) == assigners.NOTHING).all()
  none = assigners.by_centre(around, ranges, boxes[:0], np.zeros(0))
  assert (np.asarray(none) == assigners.NOTHING).all()


def test_overlaps_part_anchors_in_three():
  around = np.float32([[0, 0, 10, 10], [0, 0, 10, 4.5], [50, 50, 60, 60]])
  boxes = np.float32([[0, 0, 10, 10], [5, 5, 5, 9], [50, 50, 52, 52]])
  find = lambda **more: jax.jit(
    lambda real: assigners.by_overlap(around, boxes, real, **more)
  )(np.ones(3)).tolist()
  assert find() == [0, assigners.BETWEEN, 2]  # the best of box 2: 0.04
  assert find(best=False) == [0, assigners.BETWEEN, assigners.NOTHING]
  with pytest.raises(UserError, match=r"low, high: got 0\.6, 0\.5"):
    find(low=0.6)


def test_samples_outside_of_a_map_are_zero():
  """As torchvision's compiled kernel has it, which its Python form has not."""
  x = jnp.ones((1, 4, 4, 1))
  boxes = jnp.float32([[[0, 0, 4, 4], [6, 6, 8, 8], [2, 2, 10, 3]]])
  run = jax.jit(lambda x: roi_align(x, boxes, size=(1, 2), samples=2))
  out = run(x)[0, :, 0, :, 0]
  np.testing.assert_allclose(out, [[1, 1], [0, 0], [0.5, 0]])


@pytest.mark.slow
@pytest.mark.parametrize("aligned", [False, True])
def test_roi_align_is_torchvisions(aligned):
  torch, _ = library("torch"), torchvision()
  ops = library("torchvision.ops.roi_align")
  theirs = vars(ops)["_roi_align"].__wrapped__  # without compiling it
  rng = np.random.default_rng(0)
  x = rng.normal(size=(2, 12, 16, 3)).astype(np.float32)
  boxes = boxes_within(2 * 9, 12).reshape(2, 9, 4)
  boxes[0, 0] = [3, 3, 3.2, 3.1]  # less than a pixel
  number = np.repeat(np.arange(2), 9)[:, None].astype(np.float32)
  rois = torch.tensor(np.concatenate([number, boxes.reshape(-1, 4)], -1))
  given = torch.tensor(x.transpose(0, 3, 1, 2)).requires_grad_()
  expected = theirs(given, rois, 1.0, 3, 5, 2, aligned)
  weight = rng.normal(size=(18, 3, 5, 3)).astype(np.float32)
  run = lambda x: roi_align(x, boxes, size=(3, 5), aligned=aligned)
  out, back = jax.vjp(jax.jit(run), x)
  np.testing.assert_allclose(
    out.reshape(18, 3, 5, 3), expected.detach().permute(0, 2, 3, 1), atol=1e-5
  )
  expected.backward(torch.tensor(weight.transpose(0, 3, 1, 2)))
  np.testing.assert_allclose(
    back(weight.reshape(out.shape))[0],
    given.grad.permute(0, 2, 3, 1),
    atol=1e-5,
  )


@pytest.mark.slow
def test_anchors_coders_and_overlaps_are_torchvisions():
  torch, _ = library("torch"), torchvision()
  generator = library("torchvision.models.detection.anchor_utils")
  tensor = lambda x: torch.tensor(np.asarray(x))
  sizes, ratios = (32, 40, 50), (0.5, 1.0, 2.0)
  make = generator.AnchorGenerator((sizes,) * 2, (ratios,) * 2)
  sides = [(9, 13), (5, 7)]
  strides = [[tensor(70 // h), tensor(100 // w)] for h, w in sides]
  expected = make.grid_anchors(sides, strides)
  for side, theirs in zip(sides, expected, strict=True):
    found = anchors.anchors((70, 100), side, anchors.cell(sizes, ratios))
    np.testing.assert_array_equal(found, theirs)
  coders = library("torchvision.models.detection._utils")
  around, boxes = boxes_within(60, 64), boxes_within(60, 64, 1)
  pairs = (
    (Distances(), coders.BoxLinearCoder(True)),
    (Offsets((10.0, 5.0)), coders.BoxCoder((10.0, 10.0, 5.0, 5.0))),
  )
  for ours, theirs in pairs:
    args = tensor(around), tensor(boxes)
    if isinstance(ours, Distances):
      code = theirs.encode(*args)
      back = theirs.decode(10 * code, args[0])
    else:
      code = theirs.encode_single(args[1], args[0])
      back = theirs.decode_single(10 * code, args[0])
    np.testing.assert_allclose(ours.encode(boxes, around), code, atol=1e-5)
    np.testing.assert_allclose(
      ours.decode(10 * code.numpy(), around), back, rtol=1e-4, atol=1e-3
    )
  overlap = tensor(pairwise_iou(boxes[:9], around))
  for best in (True, False):
    matcher = coders.Matcher(0.5, 0.4, allow_low_quality_matches=best)
    found = assigners.by_overlap(around, boxes[:9], np.ones(9), best=best)
    assert np.asarray(found).tolist() == matcher(overlap).tolist()
