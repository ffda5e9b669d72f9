"""Host transforms: sizes, crops, normalisation, errors."""

import tracemalloc

import numpy as np
import pytest

from tests.data_fixtures import encode, random_image
from vision_jax.data.errors import BadImage, DataError
from vision_jax.data.images import decode_image
from vision_jax.data.transforms.crops import (
  centre_crop,
  random_part,
  random_resized_crop,
  resize_centre_crop,
)
from vision_jax.data.transforms.image import decode, resize

WHOLE = {"scale": (1.0, 1.0), "ratio": (1.0, 1.0)}


def rng(seed=0):
  return np.random.default_rng(seed)


def ramp(h, w):
  """An image whose pixels tell where they are: (y, x, 0)."""
  y, x = np.mgrid[:h, :w]
  return np.stack([y, x, 0 * x], -1).astype(np.uint8)


def run(transform, image, generator=None, **more):
  return transform({"image": image, "name": "a.jpg"} | more, generator)["image"]


def test_decode_takes_bytes_and_arrays():
  image = random_image()
  data = encode(image, "PNG")
  np.testing.assert_array_equal(run(decode(), data), image)
  np.testing.assert_array_equal(run(decode(), image), image)


@pytest.mark.parametrize(
  "shape, size, expected",
  [
    ((40, 60), 20, (20, 30)),
    ((60, 40), 20, (30, 20)),
    ((40, 60), (7, 9), (7, 9)),
    ((30, 31), 64, (64, 66)),
    ((20, 20), 20, (20, 20)),
  ],
)
def test_resize_takes_the_short_side_or_a_size(shape, size, expected):
  assert run(resize(size), random_image(*shape)).shape == (*expected, 3)


@pytest.mark.parametrize(
  "shape, size, top, left",
  [((9, 11), 5, 2, 3), ((8, 8), 8, 0, 0), ((10, 7), (4, 6), 3, 1)],
)
def test_centre_crop_is_the_middle(shape, size, top, left):
  got = run(centre_crop(size), ramp(*shape))
  h, w = (size, size) if isinstance(size, int) else size
  assert got.shape == (h, w, 3)
  assert tuple(got[0, 0]) == (top, left, 0)


@pytest.mark.parametrize("method", ["bilinear", "bicubic"])
@pytest.mark.parametrize(
  ("shape", "short", "size"),
  [
    ((300, 451), 64, 56),
    ((451, 300), 64, 56),
    ((64, 90), 64, 64),
    ((50, 80), 64, 57),
    ((31, 7), 64, 33),
    ((3, 40), 90, 80),
  ],
)
@pytest.mark.parametrize("channels", [1, 3])
def test_the_middle_of_the_resized_image(shape, short, size, method, channels):
  image = np.random.default_rng(0).integers(
    0, 256, (*shape, channels), np.uint8
  )
  whole = run(centre_crop(size), run(resize(short, method), image))
  got = run(resize_centre_crop(short, size, method), image)
  assert got.shape == (size, size, channels)
  assert np.abs(got.astype(int) - whole).max() <= 1
  assert (got != whole).mean() < 0.03, "ties are rounded the other way, alone"


@pytest.mark.parametrize("shape", [(1, 20_000), (20_000, 1), (3, 8_000)])
def test_strips_are_cut_before_they_are_enlarged(shape):
  image = np.zeros((*shape, 3), np.uint8)
  middle = tuple(slice(n // 2 - 1, n // 2 + 1) for n in shape)
  image[middle] = 200
  tracemalloc.start()
  got = run(resize_centre_crop(256, 224), image)
  peak = tracemalloc.get_traced_memory()[1]
  tracemalloc.stop()
  assert got.shape == (224, 224, 3) and peak < 2e6
  assert got.min() > 150 if min(shape) == 1 else got.max() > 150


def test_random_part_is_inside_and_as_asked():
  draws = np.array(
    [random_part(rng(i), (50, 80), (0.2, 0.6), (0.5, 2)) for i in range(500)]
  )
  top, left, h, w = draws.T
  assert (top >= 0).all() and (left >= 0).all()
  assert (top + h <= 50).all() and (left + w <= 80).all()
  share, aspect = h * w / 4000, w / h
  assert share.min() > 0.18 and share.max() < 0.62
  assert aspect.min() > 0.45 and aspect.max() < 2.2
  assert np.ptp(share) > 0.3 and np.ptp(aspect) > 1


@pytest.mark.parametrize(
  "whole, expected",
  [((100, 10), (43, 0, 13, 10)), ((10, 100), (0, 43, 10, 13))],
)
def test_a_part_that_never_fits_is_the_middle(whole, expected):
  assert random_part(rng(), whole, (1, 1), (3 / 4, 4 / 3)) == expected


@pytest.mark.parametrize("size", [16, (12, 20)])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", None])
def test_random_resized_crop_gives_its_size(size, kind):
  image = random_image(90, 120)
  given = encode(image, kind) if kind else image
  crop = random_resized_crop(size)
  got = run(crop, given, rng())
  assert got.shape == ((16, 16, 3) if size == 16 else (12, 20, 3))
  np.testing.assert_array_equal(got, run(crop, given, rng()))
  assert (got != run(crop, given, rng(1))).any()


@pytest.mark.parametrize("shape", [(64, 64), (200, 200), (640, 640)])
@pytest.mark.parametrize("seed", range(4))
def test_decoding_at_a_reduced_scale_changes_little(shape, seed):
  data = encode(random_image(*shape), quality=95)
  crop = random_resized_crop(32, scale=(0.3, 1))
  whole = run(crop, decode_image(data), rng(seed)).astype(float)
  reduced = run(crop, data, rng(seed)).astype(float)
  # The part's edges are rounded to pixels of the reduced image, which moves
  # it by up to half of one.
  assert np.abs(whole - reduced).mean() < 4


def test_the_whole_as_a_part_is_a_resize():
  image = random_image(64, 64)
  crop = random_resized_crop(64, **WHOLE)
  np.testing.assert_array_equal(run(crop, image, rng()), image)


def test_an_image_on_its_side_is_cropped_upright():
  exif = {0x0112: 6}
  from PIL import Image

  tags = Image.Exif()
  tags.update(exif)
  data = encode(random_image(60, 60), quality=95, exif=tags)
  crop = random_resized_crop(60, **WHOLE)
  np.testing.assert_array_equal(run(crop, data, rng()), decode_image(data))


def test_grey_crops():
  data = encode(random_image(40, 40, 1))
  assert run(random_resized_crop(8, channels=1), data, rng()).shape == (8, 8, 1)


def test_transforms_leave_their_input_alone():
  example = {"image": ramp(40, 40), "label": 3}
  for apply in (resize(8), centre_crop(8), random_resized_crop(8)):
    out = apply(example, rng())
    assert out["label"] == 3
    np.testing.assert_array_equal(example["image"], ramp(40, 40))


JPEG = encode(random_image())
ERRORS = {
  "size": (lambda: resize(0), "resize: got size 0; expected 1 pixel or more"),
  "pair": (lambda: resize((8, -1)), r"resize: got size \(8, -1\)"),
  "crop": (lambda: centre_crop(0), r"centre_crop: got size \(0, 0\)"),
  "part": (lambda: random_resized_crop(0), "random_resized_crop: got size"),
  "middle": (lambda: resize_centre_crop(8, 9), "size 9 of a short side of 8"),
  "method": (lambda: resize(8, "cubic"), "method 'cubic'"),
  "too small": (
    lambda: run(centre_crop(50), random_image()),
    r"a\.jpg is 40x60",
  ),
  "encoded": (lambda: run(resize(8), JPEG), "still encoded"),
  "random": (
    lambda: run(random_resized_crop(8), JPEG, None),
    "belongs in the Loader",
  ),
  "channels": (
    lambda: run(decode(1), random_image()),
    "has 3 channels; expected 1",
  ),
  "boxes": (
    lambda: run(centre_crop(8), random_image(), boxes=np.zeros((1, 4))),
    "also has boxes",
  ),
  "target": (
    lambda: run(resize(8), random_image(), target=np.zeros((40, 60))),
    "also has target",
  ),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors(case):
  act, message = ERRORS[case]
  with pytest.raises(DataError, match=message):
    act()


@pytest.mark.parametrize("data", [JPEG[:200], JPEG[:5], b"", b"text"])
def test_bad_images_are_named_by_every_decoder(data):
  for transform in (decode(), random_resized_crop(8)):
    with pytest.raises(BadImage, match=r"image a\.jpg"):
      run(transform, data, rng())
