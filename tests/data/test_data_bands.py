"""Images of any number of channels: TIFF, npy, and measuring them."""

import io
import pickle

import numpy as np
import pytest
import tifffile
from PIL import Image

from tests.data_fixtures import encode, random_image
from vision_jax.data.errors import BadImage, DataError, WrongChannels
from vision_jax.data.headers import size_of
from vision_jax.data.images import (
  as_stored,
  decode_image,
  is_deep,
  resize_image,
  resize_part,
)
from vision_jax.data.measured import measure
from vision_jax.data.sources.arrays import ArraySource
from vision_jax.data.transforms.crops import random_resized_crop
from vision_jax.data.transforms.image import decode
from vision_jax.data.transforms.masks import open_mask


def bands(c=7, kind=np.uint16, seed=0, size=(20, 30)):
  rng = np.random.default_rng(seed)
  x = rng.random((*size, c)) * (1 if np.dtype(kind).kind == "f" else 250)
  return x.astype(kind)


def as_tiff(x, planar="contig", compression=None, **given):
  file = io.BytesIO()
  x = np.moveaxis(x, -1, 0) if planar == "separate" else x
  given = {"photometric": "minisblack", "planarconfig": planar} | given
  tifffile.imwrite(file, x, compression=compression, **given)
  return file.getvalue()


def as_npy(x, **given):
  file = io.BytesIO()
  np.save(file, x, **given)
  return file.getvalue()


@pytest.mark.parametrize("packed", [None, "zlib"])
@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize(
  "kind", ["u1", "<u2", ">u2", "f4", "f8", "i2", "u4", "f2"]
)
def test_a_tiff_of_seven_bands_is_read_whole(kind, planar, packed):
  x = bands(kind=kind)
  order = ">" if kind[0] == ">" else "<"
  data = as_tiff(x, planar, packed, byteorder=order)
  assert size_of(data) == (20, 30)
  np.testing.assert_array_equal(as_stored(data, "a.tif"), x)
  floats = decode_image(data, 7, bits=32)
  white = {"u1": 255, "<u2": 65535, ">u2": 65535}.get(kind, 1)
  assert floats.dtype == np.float32
  np.testing.assert_allclose(floats, x / np.float64(white), 1e-6, 0)
  if kind in ("u1", "<u2", ">u2"):
    wide = decode_image(data, 7, bits=16)
    assert wide.dtype == np.uint16
    np.testing.assert_array_equal(wide, x.astype(int) * (65535 // white))
    assert is_deep(data) == (kind != "u1")


def test_pages_of_one_size_are_bands():
  x = bands(5, np.uint8)
  file = io.BytesIO()
  first, *rest = [Image.fromarray(x[..., i]) for i in range(5)]
  first.save(file, "TIFF", save_all=True, append_images=rest)
  np.testing.assert_array_equal(decode_image(file.getvalue(), 5), x)


def test_an_array_written_without_a_word_of_its_bands_has_them():
  """As `tifffile.imwrite(path, x)` does: in pages of w x c, or of h x w."""
  x = bands()
  for given in (x, np.moveaxis(x, -1, 0)):
    file = io.BytesIO()
    tifffile.imwrite(file, given)
    assert size_of(file.getvalue()) == (20, 30)
    np.testing.assert_array_equal(as_stored(file.getvalue(), "a.tif"), x)


def test_a_tiff_is_turned_upright():
  x = bands(6)
  data = as_tiff(x, extratags=[(274, 3, 1, 6, True)])  # a quarter turn
  assert size_of(data) == (30, 20)
  np.testing.assert_array_equal(decode_image(data, 6, bits=16), np.rot90(x, -1))


def test_more_axes_than_bands_are_refused():
  file = io.BytesIO()
  x = np.zeros((2, 3, 20, 30), np.uint8)
  tifffile.imwrite(file, x, imagej=True)
  with pytest.raises(BadImage, match=r"axes .* of \(2, 3, 20, 30\)"):
    decode_image(file.getvalue(), 6)


@pytest.mark.parametrize("kind", ["u1", "<u2", ">u2", "f4"])
def test_an_array_is_read(kind):
  x = bands(7, kind)
  floats = decode_image(as_npy(x), 7, bits=32)
  white = 1 if kind == "f4" else 255 if kind == "u1" else 65535
  np.testing.assert_allclose(floats, x / np.float64(white), 1e-6, 0)
  assert size_of(as_npy(x)) == (20, 30)
  grey = decode_image(as_npy(x[..., 0]), 3)  # (h w), as a grey photograph
  assert grey.shape == (20, 30, 3) and np.ptp(grey, -1).max() == 0


def test_bands_are_taken_in_the_order_given():
  x = bands()
  for data in (as_tiff(x), as_npy(x)):
    got = decode_image(data, 3, bits=16, bands=(6, 0, 3))
    np.testing.assert_array_equal(got, x[..., [6, 0, 3]])
  photo = random_image()
  got = decode_image(encode(photo, "PNG"), 2, bands=(2, 0))
  np.testing.assert_array_equal(got, photo[..., [2, 0]])
  example = decode(2, bands=(2, 0))({"image": photo}, None)
  np.testing.assert_array_equal(example["image"], photo[..., [2, 0]])
  crop = random_resized_crop(8, channels=3, bits=16, bands=(6, 0, 3))
  rng = np.random.default_rng(0)
  assert crop({"image": as_tiff(x)}, rng)["image"].shape == (8, 8, 3)


def test_a_near_infrared_channel_stored_as_alpha_is_one():
  x = random_image(c=3)
  x = np.concatenate([x, 255 - x[..., :1]], -1)
  data = encode(x, "PNG")
  np.testing.assert_array_equal(decode_image(data, 4), x)
  assert decode_image(data, 3).shape[-1] == 3


def test_colours_of_16_bits_lose_their_alpha():
  x = bands(4, np.uint16)
  data = as_tiff(x, photometric="rgb", extrasamples=["unassalpha"])
  np.testing.assert_array_equal(decode_image(data, 3, bits=16), x[..., :3])
  np.testing.assert_array_equal(decode_image(data, 4, bits=16), x)


def cut(data, share):
  return data[: int(len(data) * share)]


class Code:
  """Would leave a file where it is unpickled."""

  def __init__(self, path):
    self.path = str(path)

  def __reduce__(self):
    return open, (self.path, "w")


BAD = {
  "tiff cut in its pixels": (lambda p: cut(as_tiff(bands()), 0.8), "truncated"),
  "deflate cut": (lambda p: cut(as_tiff(bands(), "separate", "zlib"), 0.6), ""),
  "tiff cut in its head": (lambda p: as_tiff(bands())[:30], ""),
  "npy cut": (lambda p: cut(as_npy(bands()), 0.8), "cut short"),
  "npy cut in its head": (lambda p: as_npy(bands())[:30], ""),
  "objects": (
    lambda p: as_npy(np.array([[Code(p)] * 2] * 2), allow_pickle=True),
    "type object, which could run code",
  ),
  "a pickle": (lambda p: pickle.dumps(Code(p)), "no known image format"),
  "complex": (lambda p: as_npy(np.zeros((4, 4, 7), complex)), "complex128"),
  "one axis": (lambda p: as_npy(np.zeros(7)), r"shape \(7,\); expected"),
  "no pixels": (lambda p: as_npy(np.zeros((0, 4, 7))), r"shape \(0, 4, 7\)"),
  "huge": (
    lambda p: as_npy(bands()).replace(b"(20, 30, 7)", b"(900000, 900000)"),
    "pixels, above the limit",
  ),
  "nan": (
    lambda p: as_npy(np.where(bands(kind="f4") > 0.99, np.nan, 0)),
    r"pixels of which \d+ of 4200 are NaN",
  ),
  "a range": (
    lambda p: as_npy(bands(kind="f4") * 300),
    r"from 0\.\d+ to 29\d\.\d+, of unknown range; .*--config\.bits=32",
  ),
  "another compression": (
    lambda p: as_tiff(bands(), "contig", "zlib").replace(
      b"\x03\x01\x03\x00\x01\x00\x00\x00\x08\x00",
      b"\x03\x01\x03\x00\x01\x00\x00\x00\x05\x00",
    ),
    "compressed by LZW, .*`pip install imagecodecs",
  ),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_file_is_named(tmp_path, what):
  make, message = BAD[what]
  with pytest.raises(BadImage, match=f"image x.tif: .*{message}"):
    decode_image(make(tmp_path / "ran"), 7, "x.tif")
  assert not (tmp_path / "ran").exists()


WRONG = {
  "fewer asked for": (
    3,
    (),
    "has 7 channels; expected 3. .*config.channels=7",
  ),
  "one asked for": (1, (), "has 7 channels; expected 1"),
  "more asked for": (8, (), "has 7 channels; expected 8"),
  "a band too far": (2, (0, 7), "has 7 channels; expected more than 7"),
}


@pytest.mark.parametrize("what", WRONG)
def test_other_channels_are_refused(what):
  channels, chosen, message = WRONG[what]
  for data in (as_tiff(bands()), as_npy(bands())):
    with pytest.raises(WrongChannels, match=f"image x.tif: {message}"):
      decode_image(data, channels, "x.tif", bands=chosen)


def test_bands_that_cannot_be_are_refused():
  for chosen in ((0, 0, 1), (-1, 0, 1)):
    with pytest.raises(DataError, match=r"--config\.bands: got"):
      decode(3, bands=chosen)
  with pytest.raises(DataError, match="channels 3 and 2 bands"):
    decode(3, bands=(0, 1))


@pytest.mark.parametrize("method", ["bilinear", "bicubic", "fast"])
@pytest.mark.parametrize("kind", ["u1", "u2", "f4"])
@pytest.mark.parametrize("c", [2, 4, 7])
def test_each_band_is_resized_as_alone(c, kind, method):
  x = bands(c, kind, size=(24, 40))
  for size in ((10, 12), (30, 17), (13, 39)):
    got = resize_image(x, size, method)
    assert got.shape == (*size, c) and got.dtype == x.dtype
    alone = [resize_image(x[..., i : i + 1], size, method) for i in range(c)]
    tolerance = 1e-5 if kind == "f4" else 1  # the last digit of a rounding
    np.testing.assert_allclose(got, np.concatenate(alone, -1), 0, tolerance)


def test_floats_of_any_range_keep_it():
  x = 250 + 60 * bands(2, "f4", size=(24, 40))  # kelvin
  for method in ("bilinear", "bicubic"):
    got = resize_part(x, (0, 0, 24, 40), (12, 20), method)
    assert got.min() > 250 and got.max() < 310 and got.std() > 1


def test_a_mask_may_be_an_array():
  mask = np.arange(12).reshape(3, 4)
  np.testing.assert_array_equal(open_mask(as_npy(mask), "m.npy"), mask)
  with pytest.raises(DataError, match=r"mask m\.npy"):
    open_mask(as_npy(mask + 0.5), "m.npy")


class Files:
  """Encoded images, each with its name."""

  def __init__(self, files):
    self.files = files

  def __len__(self):
    return len(self.files)

  def read(self, indices):
    return [{"image": self.files[i], "name": f"{i}.tif"} for i in indices]


def test_mean_and_deviation_are_those_of_all_pixels():
  images = [bands(7, np.uint16, i, size=(10 + i, 20)) for i in range(5)]
  images[3] = images[3] + np.uint16(40_000)
  files = Files([as_tiff(x) for x in images])
  pixels = np.concatenate([x.reshape(-1, 7) for x in images]) / 65535
  found = measure(files, decode(7, 16), seed=0)
  np.testing.assert_allclose(found.mean, pixels.mean(0), 1e-5)
  np.testing.assert_allclose(found.std, pixels.std(0), 1e-5)
  assert found.images == 5 and not found.skipped
  assert found == measure(files, decode(7, 16), seed=0, threads=1)
  floats = measure(files, decode(7, 32), seed=0)
  np.testing.assert_allclose(floats.mean, found.mean, 1e-5)
  part = measure(files, decode(7, 16), seed=0, most=3)
  assert part.images == 3 and part.mean != found.mean
  assert part == measure(files, decode(7, 16), seed=0, most=3, threads=2)


def test_arrays_in_memory_are_measured():
  x = np.stack([bands(3, np.uint8, i) for i in range(4)])
  found = measure(ArraySource({"image": x}), decode(), seed=0)
  np.testing.assert_allclose(found.mean, (x / 255).mean((0, 1, 2)), 1e-5)
  np.testing.assert_allclose(found.std, (x / 255).std((0, 1, 2)), 1e-5)


def test_bad_images_are_measured_as_they_are_trained_on():
  good = as_tiff(bands())
  files = Files([good, cut(good, 0.8), good])
  with pytest.raises(BadImage, match=r"1\.tif: .*truncated"):
    measure(files, decode(7, 16), seed=0)
  found = measure(files, decode(7, 16), seed=0, skip=True)
  assert found.images == 2 and found.skipped == ("1.tif",)
  with pytest.raises(DataError, match="none of the 1 images"):
    measure(Files([cut(good, 0.8)]), decode(7, 16), seed=0, skip=True)
