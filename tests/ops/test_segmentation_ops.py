"""Tiles, sliding heads, and augmentation of image and target together."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vision_jax.layers.conv import Conv, global_average
from vision_jax.layers.dense import Dense
from vision_jax.layers.dense_to_conv import (
  SlidingDense,
  dense_to_conv,
  sliding_average,
)
from vision_jax.models.segmentation import unet_sizes
from vision_jax.models.segmentation.unet import UNet
from vision_jax.ops.augment.affine import random_affine
from vision_jax.ops.augment.dense import random_window
from vision_jax.ops.augment.resample import nearest, places_of
from vision_jax.ops.tiling import Tiles, mirror_pad

RNG = np.random.default_rng(0)
DEPTH = 2  # margin 20, sizes 44 + 4 n
VALID = UNet(3, width=4, depth=DEPTH, padding="valid", norm=False)
SAME = UNet(3, width=4, depth=DEPTH, norm=False)


def image(h, w, c=1, b=2):
  return jnp.asarray(RNG.normal(size=(b, h, w, c)), jnp.float32)


@functools.cache
def parameters():
  return VALID.init(jax.random.key(0), image(44, 44), train=False)


def run(model):
  return lambda x: model.apply(parameters(), x, train=False)


@pytest.mark.slow
@pytest.mark.parametrize("blend", ["mean", "smooth"])
def test_overlap_tiles_equal_the_whole_image(blend):
  x, margin = image(50, 61), unet_sizes.margin(DEPTH)
  sides = [unet_sizes.input_size(n, DEPTH) for n in (50, 61)]
  around = [
    (margin, s - n - margin) for s, n in zip(sides, (50, 61), strict=True)
  ]
  whole = run(VALID)(mirror_pad(x, around))[:, :50, :61]
  tiles = Tiles((60, 52), (12, 8), margin=margin, blend=blend)
  got = jax.jit(lambda x: tiles(run(VALID), x))(x)
  np.testing.assert_allclose(got, whole, atol=1e-5)


def test_sliding_windows_equal_the_whole_image_away_from_borders():
  # A pooled block's first pixel sees a block further than its last.
  x, radius = image(84, 72), unet_sizes.margin(DEPTH) + 2**DEPTH
  whole = run(SAME)(x)
  tiles = Tiles((68, 60), (16, 12), trim=radius)
  got = tiles(run(SAME), x)
  inner = np.s_[:, :-radius, :-radius]  # below and right tiles see a mirror
  np.testing.assert_allclose(got[inner], whole[inner], atol=1e-5)
  smooth = Tiles((68, 60), (16, 12), blend="smooth")(run(SAME), x)
  assert smooth.shape == whole.shape and jnp.isfinite(smooth).all()


def test_a_window_larger_than_the_image_sees_a_mirror():
  x = image(20, 20)
  got = Tiles((32, 32), (32, 32))(lambda x: x, x)
  np.testing.assert_array_equal(got, x)


@pytest.mark.parametrize(
  ("call", "message"),
  [
    (lambda: Tiles((8, 8), (9, 8)), "got step 9 for a window of 8"),
    (lambda: Tiles((8, 8), (4, 4), margin=3), "of which 2 pixels"),
    (lambda: Tiles((8, 8), (4, 4), blend="max"), "blend='max'"),
    (lambda: Tiles((8, 8), (4, 4), trim=-1), "trim=-1"),
    (
      lambda: Tiles((8, 8), (4, 4))(lambda x: x[:, 1:-1, 1:-1], image(9, 9)),
      "a window of .* gave .*margin=0",
    ),
    (lambda: random_affine((0.0, 1.0)), "scale: got"),
    (lambda: random_affine(degrees=200), "degrees: got 200"),
    (
      lambda: random_window((9, 9))(batch(8, 8), jax.random.key(0)),
      r"got images \(8, 8\); expected \(9, 9\)",
    ),
    (
      lambda: random_window((4, 4))(
        batch(8, 8) | {"boxes": jnp.zeros((2, 1, 4))}, jax.random.key(0)
      ),
      "'boxes'",
    ),
    (lambda: dense_to_conv(jnp.zeros((7, 2)), (2, 2)), "multiple of 4"),
  ],
)
def test_bad_arguments_are_named(call, message):
  with pytest.raises(ValueError, match=message):
    call()


class Classifier(nn.Module):
  """A valid convolution and a head, for one crop or for a whole image."""

  head: str
  window: tuple[int, int] | None = None

  @nn.compact
  def __call__(self, x):
    x = nn.relu(Conv(4, 3, padding=0, name="conv")(x))
    if self.head == "average":
      x = sliding_average(x, self.window) if self.window else global_average(x)
      return Dense(3, name="output")(x)
    if self.window is None:
      x = nn.relu(Dense(5, name="hidden")(x.reshape(len(x), -1)))
      return Dense(3, name="output")(x)
    x = nn.relu(SlidingDense(5, self.window, name="hidden")(x))
    return SlidingDense(3, name="output")(x)


@pytest.mark.parametrize("head", ["dense", "average"])
def test_a_sliding_head_equals_the_classifier_on_every_crop(head):
  x = image(9, 8, 2)
  one = Classifier(head)
  params = one.init(jax.random.key(0), x[:, :6, :5])
  got = Classifier(head, (4, 3)).apply(params, x)
  assert got.shape == (2, 4, 4, 3)
  for i in range(4):
    for j in range(4):
      crop = one.apply(params, x[:, i : i + 6, j : j + 5])
      np.testing.assert_allclose(got[:, i, j], crop, atol=1e-5)


def batch(h, w, b=2):
  y, x = np.mgrid[:h, :w]
  target = ((y // 3 + x // 3) % 5).astype(np.uint8)
  target = np.tile(target, (b, 1, 1))
  return {
    # The image is its own target, so that any difference shows.
    "image": jnp.asarray(target[..., None], jnp.float32),
    "target": jnp.asarray(target),
    "index": jnp.arange(b, dtype=jnp.int32) + 5,
    "mask": jnp.ones(b),
  }


def test_a_window_is_cut_from_both():
  data = batch(20, 18, 64)
  got = random_window((7, 9))(data, jax.random.key(0))
  np.testing.assert_array_equal(got["image"][..., 0], got["target"])
  assert got["target"].shape == (64, 7, 9)
  assert len({np.asarray(t).tobytes() for t in got["target"]}) > 10
  same = random_window((20, 18))(data, jax.random.key(1))
  np.testing.assert_array_equal(same["target"], data["target"])


def test_no_scale_and_no_turn_change_nothing():
  data = batch(12, 9)
  got = random_affine((1.0, 1.0))(data, jax.random.key(0))
  np.testing.assert_array_equal(got["target"], data["target"])
  np.testing.assert_allclose(got["image"], data["image"], atol=1e-5)


@pytest.mark.parametrize("scale", [0.5, 3.0])
def test_image_and_target_stay_together(scale):
  data = batch(24, 24, 32)
  augment = random_affine((scale, scale), 180, fill=-1.0)
  got = jax.jit(augment)(data, jax.random.key(0))
  target = np.asarray(got["target"]).astype(np.float32)
  image = np.asarray(got["image"])[..., 0]
  inside = (target != 255) & (image > -1e-4)
  gap = np.abs(image - target)[inside]
  # Between squares the image is interpolated and the target is not.
  assert np.mean(gap < 1e-3) > (0.4 if scale > 1 else 0.05)
  assert np.abs(np.corrcoef(image[inside], target[inside])[0, 1]) > 0.8
  assert np.all(np.isin(np.asarray(got["target"]), [*range(5), 255]))
  if scale < 1:  # the image fills a quarter of the window
    assert 0.15 < np.mean(target != 255) < 0.35


def test_a_quarter_turn_is_exact():
  data = batch(8, 8)
  data["target"] = jnp.asarray(RNG.integers(0, 9, (2, 8, 8)), jnp.uint8)
  quarter = random_affine((1.0, 1.0), 90)
  seen = [
    quarter(data | {"index": jnp.full(2, i)}, jax.random.key(0))
    for i in range(3)
  ]
  assert all(x["target"].shape == (2, 8, 8) for x in seen)
  for turns in (1, 2, 3):
    places = places_of(
      (8, 8), (8, 8), 1.0, jnp.deg2rad(90.0 * turns), jnp.full(2, 0.5)
    )
    got = nearest(data["target"][0], places, 255)
    np.testing.assert_array_equal(got, np.rot90(data["target"][0], turns))


@pytest.mark.slow
def test_halves_of_a_batch_are_augmented_as_the_whole():
  data = batch(16, 12, 8)
  augment = random_affine((0.5, 2.0), 30, size=(10, 8))
  whole = augment(data, jax.random.key(3))
  half = {k: v[4:] for k, v in data.items()}
  part = augment(half, jax.random.key(3))
  for name in ("image", "target"):
    np.testing.assert_allclose(whole[name][4:], part[name], atol=1e-5)
  assert whole["image"].shape == (8, 10, 8, 1)
