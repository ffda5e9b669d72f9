"""Boxes: formats there and back, overlaps against plain loops, gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vision_jax.ops import boxes as ops


def random_boxes(count, seed=0):
  """xyxy boxes (count, 4), a few of them without area."""
  rng = np.random.default_rng(seed)
  low, size = rng.uniform(0, 1, (count, 2)), rng.uniform(0, 0.6, (count, 2))
  size[::9] = 0
  return np.concatenate([low, low + size], 1).astype(np.float32)


@pytest.mark.parametrize(
  ("there", "back"),
  [
    (ops.xyxy_to_cxcywh, ops.cxcywh_to_xyxy),
    (ops.xyxy_to_xywh, ops.xywh_to_xyxy),
  ],
)
def test_formats_there_and_back(there, back):
  boxes = random_boxes(50).reshape(5, 10, 4)
  np.testing.assert_allclose(back(there(boxes)), boxes, atol=1e-6)


def test_formats_of_one_box():
  box = jnp.array([1.0, 2.0, 5.0, 10.0])
  assert ops.xyxy_to_cxcywh(box).tolist() == [3, 6, 4, 8]
  assert ops.xyxy_to_xywh(box).tolist() == [1, 2, 4, 8]
  assert ops.area(box) == 32


def plain(a, b):
  """IoU and GIoU of two boxes, by hand."""
  iw = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
  ih = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
  both = iw * ih
  union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both
  hull = (max(a[2], b[2]) - min(a[0], b[0])) * (
    max(a[3], b[3]) - min(a[1], b[1])
  )
  iou = both / union if union > 0 else 0.0
  return iou, iou - ((hull - union) / hull if hull > 0 else 0.0)


def test_overlaps_equal_plain_loops():
  a, b = random_boxes(40, 1), random_boxes(30, 2)
  expected = np.array([[plain(x, y) for y in b.astype(float)] for x in a])
  np.testing.assert_allclose(
    ops.pairwise_iou(a, b), expected[..., 0], atol=1e-5
  )
  np.testing.assert_allclose(
    ops.pairwise_generalized_iou(a, b), expected[..., 1], atol=1e-4
  )
  np.testing.assert_allclose(
    ops.generalized_iou(a[:30], b), np.diagonal(expected[..., 1]), atol=1e-4
  )


def test_gradients_are_finite_where_boxes_have_no_area():
  flat = jnp.zeros((3, 4))
  for fn in (ops.iou, ops.generalized_iou):
    grads = jax.grad(lambda x, fn=fn: fn(x, flat).sum())(flat)
    assert np.isfinite(grads).all()


def test_pixel_scale_takes_the_size_first_and_padding_off():
  image = jnp.zeros((1, 8, 6, 3))
  mask = jnp.zeros((1, 8, 6)).at[:, :4, :5].set(1)
  size = jnp.array([[30, 20]])
  scale = lambda **more: ops.pixel_scale({"image": image, **more})[0].tolist()
  assert scale() == [6, 8, 6, 8]
  assert scale(image_mask=mask) == [5, 4, 5, 4]
  assert scale(image_mask=mask, size=size) == [20, 30, 20, 30]
