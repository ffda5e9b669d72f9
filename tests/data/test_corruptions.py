"""Corrupted test sets: equal to scipy's, each example always the same."""

import pickle
import re

import numpy as np
import pytest

from vision_jax.data.corrupted import Corrupted
from vision_jax.data.loader import Loader
from vision_jax.data.sources.arrays import ArraySource
from vision_jax.data.transforms import corruptions
from vision_jax.data.transforms.corruptions import STRENGTHS, affine, corrupt
from vision_jax.errors import UserError

ndimage = pytest.importorskip("scipy.ndimage")
RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (5, 12, 15, 3)).astype(np.uint8)
LOW, HIGH = np.full((5, 2), 0.1), np.full((5, 2), 0.9)


def scipys(image, matrix, offset):
  """Each channel by scipy, rounded as pixels are."""
  planes = [
    ndimage.affine_transform(
      image[..., c].astype(float), matrix, offset, order=1, mode="grid-constant"
    )
    for c in range(image.shape[-1])
  ]
  return np.stack(planes, -1)


def test_affine_is_scipys():
  matrix = np.eye(2) + RNG.normal(size=(5, 2, 2)) / 3
  offset = RNG.normal(size=(5, 2)) * 3
  found = affine(IMAGES, matrix, offset)
  expected = list(map(scipys, IMAGES, matrix, offset))
  np.testing.assert_allclose(found, expected, atol=0.501)


def test_moves_are_scipys():
  """One strength of each, both ways."""
  centre = np.array([5.5, 7.0])
  sin, cos = np.sin(np.deg2rad(30)), np.cos(np.deg2rad(30))
  turn = np.array([[cos, sin], [-sin, cos]])
  about = lambda matrix: (matrix, centre - matrix @ centre)
  way = 2 * np.pi * 0.1
  for kind, strength, draws, (matrix, offset) in (
    ("rotation", 30, LOW, about(turn)),
    ("rotation", 30, HIGH, about(turn.T)),
    ("scale", 1.3, LOW, about(np.eye(2) / 1.3)),
    ("scale", 1.3, HIGH, about(np.eye(2) * 1.3)),
    (
      *("shift", 0.2, LOW),
      (np.eye(2), 0.2 * np.array([12 * np.sin(way), 15 * np.cos(way)])),
    ),
  ):
    found = corrupt(IMAGES, kind, strength, draws)
    expected = [scipys(image, matrix, offset) for image in IMAGES]
    np.testing.assert_allclose(found, expected, atol=0.501, err_msg=kind)


def test_a_positive_angle_is_counter_clockwise():
  image = np.zeros((1, 9, 9, 1), np.uint8)
  image[0, 4, 8] = 255  # right of the middle
  assert corrupt(image, "rotation", 90, LOW[:1])[0, 0, 4, 0] == 255  # above it


def test_contrast_noise_and_occlusion():
  grey = np.full((4, 40, 50, 1), 100, np.uint8)
  grey[:, :, :25] = 200
  found = corrupt(grey, "contrast", 0.2, LOW[:4])
  assert {*np.unique(found)} == {140, 160}  # about a mean of 150
  noisy = corrupt(grey, "noise", 0.1, RNG.random((4, 2))).astype(float)
  assert (noisy - grey).std() == pytest.approx(25.5, rel=0.05)
  assert not np.array_equal(noisy[0], noisy[1])
  for draw, first in ((0.0, (0, 0)), (1 - 1e-9, (20, 25))):
    hidden = corrupt(grey, "occlusion", 0.5, np.full((4, 2), draw)) == 128
    rows, columns = np.nonzero(hidden[0, :, :, 0])
    assert hidden[0].sum() == 20 * 25
    assert (rows.min(), columns.min()) == first


def test_stronger_is_further_from_the_image():
  blob = ndimage.gaussian_filter(np.eye(24), 3)
  blob = np.rint(blob / blob.max() * 255).astype(np.uint8)[None, :, :, None]
  draws = np.full((1, 2), 0.3)
  for kind, strengths in STRENGTHS.items():
    assert len(strengths) == 5
    found = [corrupt(blob, kind, x, draws).astype(float) for x in strengths]
    away = [np.square(x - blob).sum() for x in found]
    assert np.all(np.diff([0, *away]) > 0), kind


def test_an_example_is_the_same_however_it_is_read():
  arrays = {"image": IMAGES, "label": np.arange(5)}
  ways = [(kind, each[2]) for kind, each in STRENGTHS.items()]
  source = Corrupted(ArraySource(arrays, 5), ways, seed=3)
  assert len(source) == 30 and source.labels().tolist() == [*range(5)] * 6
  whole = source.gather(np.arange(30))
  assert whole["group"].tolist() == np.repeat(np.arange(6), 5).tolist()
  some = np.array([29, 3, 17])
  again = pickle.loads(pickle.dumps(source)).gather(some)
  for key, x in again.items():
    np.testing.assert_array_equal(x, whole[key][some])
  other = Corrupted(ArraySource(arrays, 5), ways, seed=4)
  assert other.fingerprint() != source.fingerprint()
  assert not np.array_equal(other.gather(some)["image"], again["image"])
  np.testing.assert_array_equal(source.source.arrays["image"], IMAGES)
  batches = [*Loader(source, batch_size=7, shuffle=False).epoch()]
  image = np.concatenate([x["image"][x["mask"] > 0] for x in batches])
  np.testing.assert_array_equal(image, whole["image"])


@pytest.mark.parametrize(
  ("image", "kind", "message"),
  [
    (IMAGES, "fog", "got 'fog'; expected one of shift, rotation"),
    (IMAGES / 255, "shift", "of float64; expected (b, h, w, c) of uint8"),
    (IMAGES[0], "noise", "got images (12, 15, 3)"),
  ],
)
def test_bad_input(image, kind, message):
  with pytest.raises(UserError, match=re.escape(message)):
    corruptions.corrupt(image, kind, 1, LOW)
