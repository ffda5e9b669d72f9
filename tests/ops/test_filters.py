"""Filters equal those of scipy, scikit-image and OpenCV."""

import functools

import cv2
import jax
import numpy as np
import pytest

from tests.marks import with_slow
from tests.oracles import library
from vision_jax.ops import filters

ndimage = pytest.importorskip("scipy.ndimage")
RNG = np.random.default_rng(0)
IMAGES = RNG.random((2, 12, 17, 3), np.float32)


def each(fn, images=IMAGES):
  """Returns what a function of one channel (h, w) makes of each."""
  return np.stack(
    [np.stack([fn(c) for c in np.moveaxis(x, -1, 0)], -1) for x in images]
  )


def same(ours, theirs, **options):
  np.testing.assert_allclose(ours, theirs, **{"atol": 2e-6} | options)


@pytest.mark.parametrize("border", filters.BORDERS)
def test_correlation_is_scipys_at_all_borders(border):
  """Of odd, even and wide kernels, wider than the image too."""
  small = IMAGES[:, :4, :5]
  kernels = [RNG.normal(size=size) for size in ((3, 3), (2, 4), (1, 11))]
  run = jax.jit(
    lambda x: [filters.correlate(x, kernel, border) for kernel in kernels]
  )
  for kernel, found in zip(kernels, run(small), strict=True):
    scipys = functools.partial(
      ndimage.correlate, weights=kernel, mode=border, output=np.float64
    )
    same(found, each(scipys, small), atol=1e-5)


def test_identity_and_shift():
  found = jax.jit(
    lambda x: [
      filters.identity(x),
      filters.shift(x, 2, -3),
      filters.shift(x, -1, 0, "nearest"),
      filters.shift(x, 0, 5, "wrap"),
    ]
  )(IMAGES)
  same(found[0], IMAGES, atol=0)
  move = lambda by, mode: each(
    lambda x: ndimage.shift(x, by, order=0, mode=mode)
  )
  same(found[1], move((2, -3), "constant"), atol=0)
  same(found[2], move((-1, 0), "nearest"), atol=0)
  same(found[3], np.roll(IMAGES, 5, 2), atol=0)


def test_gaussian_and_unsharp_mask():
  skimage = library("skimage.filters")
  smooth, mirrored, sharp = jax.jit(
    lambda x: (
      filters.gaussian(x, 1.3, "nearest"),
      filters.gaussian(x, 0.8, "mirror", truncate=3),
      filters.unsharp_mask(x, 1.5, 2.0),
    )
  )(IMAGES)
  scipys = functools.partial(ndimage.gaussian_filter, sigma=1.3, mode="nearest")
  same(smooth, each(scipys))
  blur = lambda x: cv2.GaussianBlur(x, (5, 5), 0.8)  # its border is mirrored
  same(mirrored, each(blur))
  unsharp = functools.partial(skimage.unsharp_mask, radius=1.5, amount=2.0)
  same(sharp, each(unsharp), atol=1e-5)
  assert np.min(sharp) == 0 and np.max(sharp) == 1  # and so it is clipped
  same(filters.gaussian(IMAGES, 0), IMAGES)


def test_sobel():
  skimage = library("skimage.filters")
  (dy, dx), (mirrored, _), strength = jax.jit(
    lambda x: (
      filters.sobel_gradients(x),
      filters.sobel_gradients(x, "mirror"),
      filters.sobel(x),
    )
  )(IMAGES)
  for axis, found in enumerate((dy, dx)):
    same(found, each(functools.partial(ndimage.sobel, axis=axis)))
  same(mirrored, each(lambda x: cv2.Sobel(x, cv2.CV_32F, 0, 1, ksize=3)))
  same(strength, each(skimage.sobel))


def test_compass_is_of_eight_directions():
  """A kernel's first turn is a corner's; two turns are a quarter of one."""
  expected = {
    "kirsch": [[-3, 5, 5], [-3, 0, 5], [-3, -3, -3]],
    "prewitt": [[1, 1, 1], [-1, -2, 1], [-1, -1, 1]],
    "robinson": [[0, 1, 2], [-1, 0, 1], [-2, -1, 0]],
  }
  for kind, corner in expected.items():
    kernels = filters.compass_kernels(kind)
    np.testing.assert_array_equal(kernels[1], corner)
    for i in range(8):
      np.testing.assert_array_equal(kernels[i - 6], np.rot90(kernels[i], -1))
      assert kernels[i].sum() == 0
  found = jax.jit(filters.compass)(IMAGES)
  assert found.shape == (*IMAGES.shape, 8)
  for i, kernel in enumerate(filters.compass_kernels("kirsch")):
    opencvs = lambda x, kernel=kernel: cv2.filter2D(
      x, cv2.CV_32F, kernel, borderType=cv2.BORDER_REFLECT
    )
    same(found[..., i], each(opencvs), atol=2e-5)
  bright_above = np.zeros((1, 8, 8, 1), np.float32)
  bright_above[:, :4] = 1
  there = filters.compass(bright_above)[0, 4, 4, 0].argmax()
  assert filters.DIRECTIONS[there] == "n"
  with pytest.raises(ValueError, match="got 'scharr'; expected one of kirsch"):
    filters.compass(IMAGES, "scharr")


@pytest.mark.parametrize(
  ("sigma", "low", "high"),
  with_slow(
    [(1.0, 0.1, 0.2), (2.0, 0.05, 0.15), (0.5, 0.5, 2)],
    *[(2.0, 0.05, 0.15), (0.5, 0.5, 2)],
  ),
)
def test_canny_is_scikit_images(sigma, low, high):
  """Of noise and of shapes, where some edges join a strong one, and some do
  not; a pixel in a thousand may turn where two numbers round to one."""
  feature = library("skimage.feature")
  images = np.repeat(RNG.random((2, 20, 24, 2), np.float32), 3, 1)
  images = ndimage.gaussian_filter(images, (0, 1, 2, 0))
  images[0, 10:40, 8:16] += 0.7
  run = jax.jit(lambda x: filters.canny(x, sigma, low, high))
  found = np.asarray(run(images))
  theirs = functools.partial(
    feature.canny, sigma=sigma, low_threshold=low, high_threshold=high
  )
  expected = each(theirs, images)
  assert found.dtype == bool and 0 < expected.mean() < 0.5
  assert np.mean(found != expected) < 1e-3
  one_by_one = jax.vmap(lambda x: filters.canny(x[None], sigma, low, high))
  np.testing.assert_array_equal(jax.jit(one_by_one)(images)[:, 0], found)


def test_hysteresis_by_hand():
  """A weak way that bends to a strong pixel stays; one beside it goes."""
  rows = ["2.....1", ".1....1", "..11...", "....1..", "...1..1"]
  values = {".": 0.0, "1": 1.0, "2": 2.0}
  strength = np.asarray([[values[c] for c in row] for row in rows])
  join = jax.jit(filters.hysteresis)
  found = join(strength[None, ..., None], 1, 2)
  expected = ["#......", ".#.....", "..##...", "....#..", "...#..."]
  expected = np.asarray([[c == "#" for c in row] for row in expected])
  np.testing.assert_array_equal(found[0, ..., 0], expected)
  assert not join(np.zeros_like(strength)[None, ..., None], 0, 0).any()


def test_gradients_pass_and_what_is_no_filter_is_refused():
  slope = jax.jit(jax.grad(lambda x: filters.gaussian(x, 1.0).sum()))(IMAGES)
  same(slope, np.ones_like(slope), atol=1e-5)
  with pytest.raises(ValueError, match=r"border='same'; .* reflect,"):
    filters.gaussian(IMAGES, 1.0, "same")
  with pytest.raises(ValueError, match="got sigma=-1; expected pixels >= 0"):
    filters.gaussian(IMAGES, -1)
