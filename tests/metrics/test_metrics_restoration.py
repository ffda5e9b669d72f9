"""PSNR and SSIM: scikit-image's numbers, luma, borders, masks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.oracles import library
from vision_jax.errors import UserError
from vision_jax.metrics.renamed import Renamed
from vision_jax.metrics.restoration import ImageQuality, psnr, ssim
from vision_jax.ops.luma import luma, with_luma

RNG = np.random.default_rng(0)
MATLAB = {
  "gaussian_weights": True,
  "sigma": 1.5,
  "use_sample_covariance": False,
}
similarity = jax.jit(ssim)


def photo():
  """A part of scikit-image's cat, a flat corner, and noise on it."""
  data = library("skimage.data")
  truth = data.chelsea()[100:140, 100:150] / np.float32(255)
  truth[:12, :12] = 0.9
  noisy = truth + RNG.normal(0, 0.1, truth.shape)
  return truth.astype(np.float32), np.clip(noisy, 0, 1).astype(np.float32)


def test_they_are_scikit_images():
  metrics = library("skimage.metrics")
  truth, guess = photo()
  for c in (slice(0, 1), slice(None)):
    a, b = truth[..., c], guess[..., c]
    own = float(similarity(a[None], b[None])[0])
    theirs = metrics.structural_similarity(
      *(a.astype(float), b.astype(float)),
      data_range=1.0,
      channel_axis=2,
      **MATLAB,
    )
    np.testing.assert_allclose(own, theirs, atol=1e-6)
    theirs = metrics.peak_signal_noise_ratio(
      a.astype(float), b.astype(float), data_range=1.0
    )
    np.testing.assert_allclose(psnr(a[None], b[None])[0], theirs, rtol=1e-6)
  assert float(similarity(truth[None], truth[None])[0]) == 1


def test_video_luma_is_scikit_images():
  color = library("skimage.color")
  image = RNG.random((5, 4, 3))
  theirs = color.rgb2ycbcr(image)[..., :1] / 255
  np.testing.assert_allclose(luma(image), theirs, atol=1e-6)
  moved = with_luma(image, luma(image) + 0.1)
  np.testing.assert_allclose(luma(moved), luma(image) + 0.1, atol=1e-6)
  chroma = lambda x: color.rgb2ycbcr(x)[..., 1:]
  np.testing.assert_allclose(chroma(moved), chroma(image), atol=1e-3)
  grey = np.full((2, 2, 1), 0.5)
  np.testing.assert_allclose(luma(grey, "full"), 0.5, atol=1e-6)


def measured(metric, truth, guess, mask=(1, 1)):
  batch = {"clean": jnp.asarray(truth), "mask": jnp.asarray(mask, float)}
  out = {"restored": jnp.asarray(guess)}
  sums, rows = jax.jit(metric.measure)(None, out, batch)
  return metric.result(sums, rows)


def test_each_image_counts_once_and_padding_not():
  truth, guess = photo()
  better = (truth + guess) / 2
  metric = ImageQuality()
  pair = lambda x: np.stack([x, truth[::-1]])
  one = measured(metric, pair(truth), pair(guess), (1, 0))
  np.testing.assert_allclose(one["psnr"], psnr(truth[None], guess[None])[0])
  both = measured(metric, np.stack([truth] * 2), np.stack([guess, better]))
  other = measured(metric, pair(truth), pair(better), (1, 0))
  for name in ("psnr", "ssim"):
    mean = (one[name] + other[name]) / 2
    np.testing.assert_allclose(both[name], mean, rtol=1e-5)


def test_borders_levels_and_luma():
  truth, _ = photo()
  guess = truth + 0.25 / 255  # rounds to the same level
  guess[:2] = 1
  pair = lambda x: np.stack([np.round(x * 255) / 255] * 2).astype(np.float32)
  near = np.stack([guess - truth + pair(truth)[0]] * 2)
  exact = ImageQuality("video", shave=2, rounded=True)
  assert measured(exact, pair(truth), near)["psnr"] > 120
  assert measured(ImageQuality(shave=2), pair(truth), near)["psnr"] < 70
  assert measured(ImageQuality(rounded=True), pair(truth), near)["psnr"] < 30
  shifted = pair(truth) + np.float32([0.1, 0, 0])
  found = measured(ImageQuality("video"), np.zeros_like(shifted), shifted)
  assert np.isfinite(found["ssim"])


def test_errors_of_other_names_and_what_was_given():
  """As a translation has them: of what images become, and of themselves."""
  truth, guess = photo()
  metric = Renamed(
    ImageQuality(given=True, l1=True),
    {"restored": "b"},
    {"clean": "a/wanted", "image": "a/image", "mask": "a/mask"},
    prefix="b_",
  )
  batch = {
    "a/wanted": np.stack([truth, truth]),
    "a/image": np.stack([1 - truth, truth]),
    "a/mask": np.array([1.0, 0.0]),
    "mask": np.ones(2),
  }
  out = {"b": np.stack([guess, truth])}
  sums, rows = jax.jit(metric.measure)(None, out, batch)
  found = metric.result(sums, rows)
  assert {*found} == {*metric.names}
  assert found["b_l1"] == pytest.approx(np.abs(guess - truth).mean(), rel=1e-5)
  given = np.abs(1 - 2 * truth).mean()
  assert found["b_given_l1"] == pytest.approx(given, rel=1e-5)


@pytest.mark.parametrize(
  ("metric", "shape", "message"),
  [
    (ImageQuality(), (2, 9, 20, 1), "11 pixels at least"),
    (ImageQuality(shave=10), (2, 20, 30, 1), "10 pixels at each border"),
  ],
)
def test_images_that_are_too_small_are_an_error(metric, shape, message):
  x = np.zeros(shape, np.float32)
  with pytest.raises(UserError, match=message):
    measured(metric, x, x)


def test_another_shape_or_luma_is_an_error():
  x = np.zeros((2, 12, 12, 1), np.float32)
  with pytest.raises(UserError, match="scale of the net"):
    measured(ImageQuality(), x, x[:, :6])
  with pytest.raises(UserError, match="video"):
    ImageQuality("vido")


def test_what_was_given_is_measured_beside_what_came_of_it():
  """By the same rule: luma, rounded, without the border."""
  truth, worse = photo()
  batch = {"clean": truth[None], "image": worse[None], "mask": jnp.ones(1)}
  metric = ImageQuality("video", shave=3, rounded=True, given=True)

  def measured(**more):
    out = {"restored": worse[None]}
    sums, _ = metric.measure(None, out, batch | more)
    return metric.result(sums, {})

  found = measured()
  assert tuple(found) == metric.names
  assert found["given_psnr"] == pytest.approx(found["psnr"], abs=1e-5)
  small = {"image": worse[None, ::2, ::2], "given": truth[None]}
  assert measured(**small)["given_psnr"] > 50  # rounded alone
  assert "given_psnr" not in ImageQuality().names
