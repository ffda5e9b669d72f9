"""Boundary F1 and the trimap's IoU, against distance transforms of scipy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.oracles import library
from vision_jax.metrics.boundaries import near
from vision_jax.metrics.segmentation import Segmentation
from vision_jax.metrics.void import WithVoid

K, NAMES = 4, tuple("abcd")


def blobs(seed, b=3, size=(26, 31)):
  """Masks of a few regions, with a stripe of void in the truth."""
  rng = np.random.default_rng(seed)
  coarse = rng.integers(0, K - 1, (b, 4, 5))
  truth = coarse.repeat(7, 1).repeat(7, 2)[:, : size[0], : size[1]]
  guess = np.roll(truth, (1, 2), (1, 2))
  guess = np.where(rng.random(truth.shape) < 0.02, K - 1, guess)
  truth = truth.astype(np.uint8)
  truth[:, :, 11:14] = 255
  return truth, guess.astype(np.uint8)


def edge(label, known):
  """Pixels with one of four neighbours of another label, by loops."""
  h, w = label.shape
  found = np.zeros((h, w), bool)
  for y in range(h):
    for x in range(w):
      for v, u in ((y + 1, x), (y - 1, x), (y, x + 1), (y, x - 1)):
        if 0 <= v < h and 0 <= u < w and known[y, x] and known[v, u]:
          found[y, x] |= label[v, u] != label[y, x]
  return found


def distance(x):
  """Distance of each pixel to the nearest of x; far where there is none."""
  transform = library("scipy.ndimage").distance_transform_edt
  return transform(~x) if x.any() else np.full(x.shape, 1e9)


def expected_f1(truth, guess, tolerance):
  each = {k: [] for k in range(K)}
  for t, g in zip(truth, guess, strict=True):
    known = t != 255
    true_edge, found_edge = edge(t, known), edge(g, np.ones_like(known))
    for k in range(K):
      a, b = true_edge & (t == k), found_edge & (g == k)
      counted = b & known
      if not (a.any() or counted.any()):
        continue
      part = lambda hit, of: hit.sum() / of.sum() if of.any() else 0.0
      recall = part(a & (distance(b) <= tolerance), a)
      precision = part(counted & (distance(a) <= tolerance), counted)
      both = precision + recall
      each[k].append(2 * precision * recall / both if both else 0.0)
  return {NAMES[k]: np.mean(x) for k, x in each.items() if x}


def expected_iou(truth, guess, width):
  union, both = np.zeros((2, K))
  for t, g in zip(truth, guess, strict=True):
    band = distance(edge(t, np.ones(t.shape, bool))) <= width
    band &= t != 255
    for k in range(K):
      a, b = (t == k)[band], (g == k)[band]
      union[k] += (a | b).sum()
      both[k] += (a & b).sum()
  return {NAMES[k]: both[k] / union[k] for k in range(K) if union[k]}


class OwnSize:
  """Truth of the very size, so that it is measured on the host."""

  def __init__(self, truth):
    self.truth = truth

  def differs(self, size):
    return True

  def __call__(self, index, guess):
    return self.truth[index], guess


def measured(metric, truth, guess, real=None):
  mask = jnp.ones(len(truth)) if real is None else jnp.asarray(real)
  batch = {"target": jnp.asarray(truth), "mask": mask}
  out = {"target": jnp.asarray(guess)}
  sums, rows = jax.jit(lambda o, b: metric.measure((), o, b))(out, batch)
  rows = dict(jax.device_get(rows))
  return metric.result(
    jax.device_get(sums), rows | {"index": np.arange(len(truth))}
  )


@pytest.mark.parametrize("where", ["device", "host"])
@pytest.mark.parametrize(("tolerance", "band"), [(2, 3), (1, 5)])
def test_they_are_those_of_distance_transforms(tolerance, band, where):
  truth, guess = blobs(tolerance)
  metric = Segmentation(
    K,
    class_names=NAMES,
    boundary_pixels=tolerance,
    trimap_pixels=band,
    own_size=OwnSize(truth) if where == "host" else None,
  )
  got = measured(metric, truth, guess)
  f1, iou = (
    expected_f1(truth, guess, tolerance),
    expected_iou(truth, guess, band),
  )
  for kind, each in (("boundary_f1", f1), ("trimap_iou", iou)):
    found = {k[-1]: x for k, x in got.items() if k.startswith(f"{kind}/")}
    assert found == pytest.approx(each, rel=1e-5)
  assert got["boundary_f1"] == pytest.approx(np.mean([*f1.values()]), rel=1e-5)
  assert got["trimap_miou"] == pytest.approx(np.mean([*iou.values()]))
  assert 0 < got["trimap_miou"] < 1 and 0 < got["boundary_f1"] < 1


def test_near_is_a_disk():
  x = np.random.default_rng(0).random((1, 30, 40)) < 0.01
  for radius in (1, 2, 4, 7):
    expected = distance(x[0]) <= radius
    np.testing.assert_array_equal(near(x, radius, np)[0], expected)


def test_padding_and_what_is_in_it_do_not_count():
  truth, guess = blobs(5)
  metric = Segmentation(K, class_names=NAMES, boundary_pixels=2)
  real = np.array([1, 1, 0], np.float32)
  assert measured(metric, truth, guess, real) == measured(
    metric, truth[:2], guess[:2]
  )


def test_one_region_has_no_boundary_to_measure():
  truth = np.zeros((1, 9, 9), np.uint8)
  metric = Segmentation(2, boundary_pixels=2, trimap_pixels=2)
  got = measured(metric, truth, truth)
  assert got["miou"] == 1 and not any("_f1" in k or "tri" in k for k in got)


def test_void_that_may_be_predicted_is_no_class_of_boundaries():
  """The metric with void as its last class, and the usual one with 255."""
  truth, guess = blobs(6)
  void = np.where(truth == 255, K, truth)
  usual = Segmentation(K, class_names=NAMES, boundary_pixels=2, trimap_pixels=3)
  expected = measured(usual, truth, guess)
  got = measured(WithVoid(NAMES, 2, 3), void, guess)
  for name in ("boundary_f1", "trimap_miou", "boundary_f1/a"):
    assert got[name] == pytest.approx(expected[name], rel=1e-6)


@pytest.mark.parametrize("given", [-1, 1.5])
def test_pixels_that_cannot_be_are_named(given):
  with pytest.raises(ValueError, match="expected a whole number of pixels"):
    Segmentation(K, boundary_pixels=given)
