"""Decoding and resizing against Pillow, torch and scikit-image."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps
from skimage.transform import resize_local_mean

from tests.data_fixtures import encode, random_image
from tests.oracles import library
from vision_jax.data.errors import BadImage, DataError, WrongChannels
from vision_jax.data.images import (
  decode_image,
  jpeg_size,
  resize_image,
)
from vision_jax.data.orientation import orientation


def by_pillow(data, channels):
  image = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
  array = np.asarray(image.convert({1: "L", 3: "RGB"}[channels]))
  return array.reshape(*array.shape[:2], channels)


def colour():
  return random_image(37, 51)


def grey():
  return random_image(37, 51, 1)


def alpha():
  return np.dstack([colour(), random_image(37, 51, 1, seed=1)])


def saved(image, kind, **options):
  file = io.BytesIO()
  image.save(file, kind, **options)
  return file.getvalue()


FILES = {
  "jpeg": lambda: encode(colour(), quality=90),
  "jpeg_444": lambda: encode(colour(), quality=90, subsampling=0),
  "jpeg_progressive": lambda: encode(colour(), progressive=True),
  "jpeg_grey": lambda: encode(grey()),
  "jpeg_cmyk": lambda: saved(Image.fromarray(colour()).convert("CMYK"), "JPEG"),
  "png": lambda: encode(colour(), "PNG"),
  "png_grey": lambda: encode(grey(), "PNG"),
  "png_alpha": lambda: encode(alpha(), "PNG"),
  "png_palette": lambda: saved(Image.fromarray(colour()).quantize(16), "PNG"),
  "png_one_bit": lambda: saved(
    Image.fromarray(grey()[..., 0]).convert("1"), "PNG"
  ),
  "bmp": lambda: encode(colour(), "BMP"),
  "gif": lambda: encode(colour(), "GIF"),
  "tiff": lambda: encode(colour(), "TIFF"),
  "webp": lambda: encode(colour(), "WEBP", lossless=True),
}


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", FILES)
def test_decodes_as_pillow_does(name, channels):
  data = FILES[name]()
  got = decode_image(data, channels)
  assert got.dtype == np.uint8 and got.shape == (37, 51, channels)
  difference = np.abs(got.astype(int) - by_pillow(data, channels))
  exact = name not in ("jpeg_cmyk",) and channels == 3
  # Grey comes from the JPEG's own luminance, or with other rounding.
  assert difference.max() <= (1 if exact else 3)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("value", range(1, 9))
def test_exif_orientation_is_honoured(kind, value):
  exif = Image.Exif()
  exif[0x0112] = value
  data = encode(colour(), kind, exif=exif)
  assert orientation(data) == value
  got, expected = decode_image(data), by_pillow(data, 3)
  assert got.shape == expected.shape and got.flags.c_contiguous
  assert np.abs(got.astype(int) - expected).max() <= 1


def test_exif_of_an_unknown_orientation_is_upright():
  exif = Image.Exif()
  exif[0x0112] = 9
  assert decode_image(encode(colour(), exif=exif)).shape == (37, 51, 3)


def flipped(data, at):
  broken = bytearray(data)
  broken[at] ^= 0xFF
  return bytes(broken)


BROKEN = {
  "empty": lambda name: (b"", "empty"),
  "text": lambda name: (b"not an image at all", "no known image format"),
  "half": lambda name: (_cut(name, 0.5), "corrupt or truncated"),
  "few": lambda name: (_cut(name, 0.05), "corrupt or truncated|known image"),
  "last_bytes": lambda name: (FILES[name]()[:-20], "corrupt or truncated"),
}


def _cut(name, share):
  data = FILES[name]()
  return data[: int(len(data) * share)]


@pytest.mark.parametrize("name", ["jpeg", "png", "bmp", "tiff", "webp"])
@pytest.mark.parametrize("case", BROKEN)
def test_broken_files_are_named(name, case):
  data, reason = BROKEN[case](name)
  with pytest.raises(BadImage, match=reason) as error:
    decode_image(data, name="images/cat.jpg")
  assert error.value.name == "images/cat.jpg"
  assert "image images/cat.jpg:" in str(error.value)


@pytest.mark.parametrize("place", [0.3, 0.6, 0.9])
def test_a_flipped_byte_in_a_png_is_found(place):
  data = FILES["png"]()
  with pytest.raises(BadImage, match="corrupt"):
    decode_image(flipped(data, int(len(data) * place)))


def test_channels_are_checked():
  with pytest.raises(WrongChannels, match="has 3 channels; expected 4"):
    decode_image(FILES["png"](), 4)
  with pytest.raises(DataError, match="channels 0; expected 1 or more"):
    decode_image(FILES["png"](), 0)


def test_jpeg_size():
  assert jpeg_size(FILES["jpeg"]()) == (37, 51)
  assert jpeg_size(FILES["png"]()) is None
  assert jpeg_size(FILES["jpeg"]()[:10]) is None


@pytest.mark.parametrize("least", [(20, 20), (90, 120), (100, 100), (0, 0)])
def test_reduced_decoding_is_a_mean(least):
  image = random_image(160, 240)
  data = encode(image, quality=95, subsampling=0)
  got = decode_image(data, min_size=least)
  assert got.shape[0] >= least[0] and got.shape[1] >= least[1]
  assert got.shape <= image.shape
  expected = resize_local_mean(decode_image(data) / 255.0, got.shape[:2])
  assert np.abs(got / 255.0 - expected).mean() < 0.01


SIZES = [(20, 30), (33, 17), (64, 64), (37, 51), (100, 40)]


@pytest.mark.parametrize("method", ["bilinear", "bicubic"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("channels", [1, 3])
def test_resizes_as_torch_does_with_antialiasing(method, size, channels):
  torch = library("torch")
  image = random_image(37, 51, channels)
  x = torch.from_numpy(image.astype(np.float32)).permute(2, 0, 1)[None]
  expected = torch.nn.functional.interpolate(
    x, size, mode=method, antialias=True, align_corners=False
  )
  expected = expected[0].permute(1, 2, 0).clamp(0, 255).numpy()
  got = resize_image(image, size, method)
  assert got.shape == (*size, channels) and got.dtype == np.uint8
  # Pillow rounds its weights, and once between the two directions.
  assert np.abs(got - expected).max() <= 1.1


@pytest.mark.parametrize("size", [(20, 30), (11, 17), (24, 33)])
@pytest.mark.parametrize("channels", [1, 3])
def test_fast_shrinking_is_the_mean_of_the_area(size, channels):
  image = np.random.default_rng(0).integers(
    0, 256, (60, 90, channels), np.uint8
  )
  expected = resize_local_mean(
    image.astype(np.float64), size, preserve_range=True, channel_axis=-1
  )
  got = resize_image(image, size, "fast")
  assert got.shape == (*size, channels)
  assert np.abs(got - expected).max() <= 1


@pytest.mark.parametrize("phase", range(8))
@pytest.mark.parametrize("axis", [0, 1])
def test_fast_skips_no_rows_where_one_axis_grows(axis, phase):
  """ultralytics#25355: one white row in eight is 31.9 grey, not 0 or 128."""
  image = np.zeros((400, 100, 3), np.uint8)
  image[phase::8] = 255
  image, size = (
    (image, (50, 224))
    if axis == 0
    else (image.swapaxes(0, 1).copy(), (224, 50))
  )
  got = resize_image(image, size, "fast")
  assert got.shape == (*size, 3)
  assert np.abs(got.astype(float) - 255 / 8).max() < 1


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("old, other", [(80, 40), (62, 30), (90, 50), (95, 20)])
@pytest.mark.parametrize("channels", [1, 3])
def test_fast_smooths_the_one_axis_that_shrinks(old, other, axis, channels):
  """Close to Pillow's filter, and at half the size equal to it."""
  shape = (old, other) if axis == 0 else (other, old)
  image = np.random.default_rng(0).integers(
    0, 256, (*shape, channels), np.uint8
  )
  got = resize_image(image, (40, 40), "fast").astype(float)
  expected = resize_image(image, (40, 40), "bilinear")
  if (old, other) == (80, 40):  # edges apart
    assert np.abs(got - expected)[1:-1, 1:-1].max() <= 1
  plain = cv2.resize(image, (40, 40)).reshape(expected.shape)
  error, without = (
    np.abs(x - expected.astype(float)).mean() for x in (got, plain)
  )
  assert error < 8 and error < 0.6 * without


def test_fast_growing_is_bilinear():
  image = random_image(20, 30)
  got = resize_image(image, (64, 64), "fast").astype(int)
  assert np.abs(got - resize_image(image, (64, 64), "bilinear")).max() <= 1


@pytest.mark.parametrize("method", ["bilinear", "bicubic", "fast"])
def test_resizing_to_the_same_size_changes_nothing(method):
  np.testing.assert_array_equal(
    resize_image(colour(), (37, 51), method), colour()
  )
