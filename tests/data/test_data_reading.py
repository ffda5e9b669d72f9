"""Files that readers have to judge: huge, odd, damaged, on their side."""

import logging
import struct
import zlib

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tests.data.test_data_images import FILES, by_pillow, saved
from tests.data_fixtures import Encoded, random_image
from vision_jax.data.errors import BadImage, DataError
from vision_jax.data.images import decode_image, resize_image
from vision_jax.data.loader import Loader
from vision_jax.data.memory import InMemory
from vision_jax.data.orientation import orientation
from vision_jax.data.reading import MAX_PIXELS, set_max_pixels
from vision_jax.data.sources.folders import ImageFolder
from vision_jax.data.transforms.crops import random_resized_crop
from vision_jax.data.transforms.image import decode, resize
from vision_jax.data.transforms.masks import decode_target

PNG = b"\x89PNG\r\n\x1a\n"
END = b"\0\0\0\0IEND" + struct.pack(">I", zlib.crc32(b"IEND"))


def chunk(kind, body):
  crc = zlib.crc32(kind + body)
  return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", crc)


def png(width, height, depth=8, colour=0):
  """A whole PNG whose pixels are missing: readers have to ask its header."""
  head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
  return PNG + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + END


def jpeg(width, height):
  data = bytearray(FILES["jpeg"]())
  at = data.index(b"\xff\xc0") + 5
  data[at : at + 4] = struct.pack(">HH", height, width)
  return bytes(data)


def bmp(width, height):
  data = bytearray(FILES["bmp"]())
  data[18:26] = struct.pack("<ii", width, height)
  return bytes(data)


@pytest.fixture
def limit():
  yield set_max_pixels
  set_max_pixels(MAX_PIXELS)


@pytest.mark.parametrize("make", [png, jpeg, bmp])
def test_bombs_are_refused_before_they_unpack(make):
  with pytest.raises(BadImage, match=r"--max_pixels") as error:
    decode_image(make(20_000, 20_000), name="bomb")
  assert "image bomb:" in str(error.value)


def test_bombs_are_refused_as_masks():
  read = decode_target(2)
  with pytest.raises(BadImage, match=r"image m\.png: .*--max_pixels"):
    read({"target": png(20_000, 20_000, 1), "target_name": "m.png"}, None)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("name", FILES)
def test_the_limit_is_one_for_all_formats(name, limit):
  data = FILES[name]()
  limit(37 * 51)
  assert decode_image(data).shape == (37, 51, 3)
  limit(37 * 51 - 3)
  with pytest.raises(BadImage, match="--max_pixels"):
    decode_image(data)


def test_the_limit_is_checked():
  with pytest.raises(DataError, match="max_pixels: got 0"):
    set_max_pixels(0)


def test_nothing_is_enlarged_beyond_the_limit():
  strip = np.zeros((1, 800_000, 3), np.uint8)
  with pytest.raises(BadImage, match=r"image s\.png: 256x204800000 .*limit"):
    resize(256)({"image": strip, "name": "s.png"}, None)


ODD = {
  "only its end": PNG + END,
  "no header": PNG + chunk(b"IDAT", b"") + END,
  "short header": PNG + chunk(b"IHDR", b"1234") + END,
  "no pixels": png(4, 4),
  "no size": png(0, 4),
  "no depth": png(4, 4, depth=3),
  "no colour": png(4, 4, colour=5),
}


@pytest.mark.parametrize("case", ODD)
def test_odd_pngs_are_bad_images(case):
  with pytest.raises(BadImage, match=r"image odd\.png: corrupt"):
    decode_image(ODD[case], name="odd.png")


def test_an_odd_png_is_skipped():
  loader = Loader(_One(ODD["only its end"]), [decode()], 3, on_bad_image="skip")
  batch = next(loader.epoch())
  assert batch["mask"].tolist() == [1, 0, 1] and loader.skipped == 1


class _One(Encoded):
  """Three images, the middle one of given bytes."""

  def __init__(self, data):
    super().__init__(3)
    self._data = data

  def read(self, indices):
    found = super().read(indices)
    changed = {"image": self._data, "name": "odd.png"}
    return [x | changed if x["row"] == 1 else x for x in found]


@pytest.mark.parametrize("name", FILES)
def test_broken_bytes_raise_one_kind_of_error(name):
  """Whatever a library throws, the file is named."""
  data, rng = FILES[name](), np.random.default_rng(0)
  for _ in range(40):
    broken = bytearray(data)
    for at in rng.integers(len(data), size=rng.integers(1, 9)):
      broken[at] = rng.integers(256)
    broken = broken[: int(len(data) * rng.choice([1, 1, rng.random()]))]
    try:
      decode_image(bytes(broken), name="x")
    except BadImage as error:
      assert error.name == "x"


@pytest.mark.parametrize("memory", [False, True])
def test_too_little_memory_for_one_image_is_a_bad_image(memory):
  def hungry(example, rng):
    if example["row"] == 1:
      raise MemoryError
    return example

  source, transforms = Encoded(3), [decode(), hungry]
  if memory:
    source, transforms = InMemory(source, transforms), []
  loader = Loader(source, transforms, 3, on_bad_image="skip")
  assert next(loader.epoch())["mask"].tolist() == [1, 0, 1]
  assert loader.skipped_names == ("1.jpg",)
  loader = Loader(source, transforms, 3)
  with pytest.raises(BadImage, match=r"1\.jpg: it needs more memory"):
    next(loader.epoch())


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("stray", [b"\x12", b"\x12\x34\x56"])
def test_stray_bytes_in_a_jpeg_are_no_damage(stray, channels):
  """libjpeg warns of them; Pillow, and every viewer, shows the image."""
  clean = FILES["jpeg"]()
  data = clean[:-2] + stray + clean[-2:]
  got = decode_image(data, channels).astype(int)
  assert np.abs(got - by_pillow(data, channels)).max() <= 3
  assert np.abs(got - decode_image(clean, channels)).max() <= 3


def xmp(value):
  return (
    f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description '
    f'tiff:Orientation="{value}"/></rdf:RDF></x:xmpmeta>'
  ).encode()


def exif_bytes(value):
  exif = Image.Exif()
  exif[0x0112] = value
  return exif.tobytes()


def png_with(note):
  return lambda image, value: saved(image, "PNG", pnginfo=note(value))


def itxt(value, zip):
  note = PngInfo()
  note.add_itxt("XML:com.adobe.xmp", xmp(value).decode(), zip=zip)
  return note


def raw_profile(value, zip):
  """As ImageMagick writes it."""
  body = exif_bytes(value).hex()
  lines = "\n".join(body[i : i + 72] for i in range(0, len(body), 72))
  note = PngInfo()
  note.add_text(
    "Raw profile type exif", f"\nexif\n{len(body) // 2:8}\n{lines}\n", zip=zip
  )
  return note


def filled(image, value):
  """A fill byte before the marker of the Exif segment."""
  data = saved(image, "JPEG", exif=exif_bytes(value), quality=95)
  at = data.index(b"\xff\xe1")
  return data[:at] + b"\xff\xff" + data[at:]


NOTES = {
  "jpeg xmp": lambda x, v: saved(x, "JPEG", xmp=xmp(v), quality=95),
  "jpeg cmyk xmp": lambda x, v: saved(x.convert("CMYK"), "JPEG", xmp=xmp(v)),
  "jpeg fill byte": filled,
  "png xmp": png_with(lambda v: itxt(v, False)),
  "png packed xmp": png_with(lambda v: itxt(v, True)),
  "png raw profile": png_with(lambda v: raw_profile(v, False)),
  "png packed raw profile": png_with(lambda v: raw_profile(v, True)),
  "webp xmp": lambda x, v: saved(x, "WEBP", xmp=xmp(v), lossless=True),
  "tiff": lambda x, v: saved(x, "TIFF", exif=exif_bytes(v)),
}
TURNS = {
  1: lambda x: x,
  2: lambda x: x[:, ::-1],
  3: lambda x: x[::-1, ::-1],
  4: lambda x: x[::-1],
  5: lambda x: x.swapaxes(0, 1),
  6: lambda x: np.rot90(x, -1),
  7: lambda x: np.rot90(x, 2).swapaxes(0, 1),
  8: lambda x: np.rot90(x),
}


@pytest.mark.parametrize("value", TURNS)
@pytest.mark.parametrize("name", NOTES)
def test_every_note_of_the_orientation_turns_the_image(name, value):
  """Pillow#4529, Pillow#6462."""
  image = random_image(24, 36)
  data = NOTES[name](Image.fromarray(image), value)
  assert orientation(data) == value
  got, expected = decode_image(data).astype(int), TURNS[value](image)
  assert got.shape == expected.shape
  assert np.abs(got - expected).mean() < 4  # what JPEG loses


@pytest.mark.parametrize("value", TURNS)
@pytest.mark.parametrize("name", [n for n in NOTES if n[:3] in ("png", "tif")])
def test_a_mask_is_turned_as_its_image_is(name, value):
  mask = np.arange(24, dtype=np.uint8).reshape(4, 6)
  data = NOTES[name](Image.fromarray(mask), value)
  got = decode_target(24)({"target": data}, None)["target"]
  np.testing.assert_array_equal(got, TURNS[value](mask))


def test_where_the_size_cannot_show_it_it_is_logged_once(caplog):
  """labelImg#376: annotations drawn on the pixels as they are stored."""
  wide, square = (Image.fromarray(random_image(24, w)) for w in (36, 24))
  note = NOTES["jpeg xmp"]
  quiet = [note(wide, 1), note(wide, 6), note(square, 1)]
  for boxes in ({"boxes": np.zeros((0, 4))}, {"target": b""}):
    for data in (note(wide, 3), note(wide, 2), note(square, 6)):
      apply = decode()
      caplog.clear()
      with caplog.at_level(logging.WARNING):
        for i, x in enumerate([*quiet, data, data]):
          apply({"image": x, "name": f"{i}.jpg"} | boxes, None)
        apply({"image": data, "name": "alone.jpg"}, None)
      (message,) = caplog.messages
      assert message.startswith("image 3.jpg: was turned")


def tiff(pixels, bits, *, photometric=1, kind=1):
  """An uncompressed little-endian grey TIFF of (h, w) pixels, as packed."""
  h, w, body = pixels
  tags = [
    *((256, w), (257, h), (258, bits), (259, 1), (262, photometric)),
    *((273, 8 + 2 + 10 * 12 + 4), (277, 1), (278, h), (279, len(body))),
    (339, kind),
  ]
  entries = b"".join(struct.pack("<HHII", tag, 4, 1, x) for tag, x in tags)
  head = struct.pack("<2sHIH", b"II", 42, 8, len(tags))
  return head + entries + struct.pack("<I", 0) + body


def plain(array):
  return (*array.shape, array.tobytes())


def packed12(array):
  bits = np.unpackbits(
    array.astype(">u2").view(np.uint8).reshape(-1, 2), axis=1
  )
  return (*array.shape, np.packbits(bits[:, 4:]).tobytes())


RAMP = np.linspace(0, 65535, 64 * 64).reshape(64, 64).astype(np.uint16)
WIDE = (RAMP >> 8).astype(np.uint8)
UNIT = (RAMP / 65535).astype(np.float32)


def by_opencv(kind, array):
  import cv2

  return cv2.imencode(kind, array)[1].tobytes()


DEEP = {
  "tiff": lambda: tiff(plain(RAMP), 16),
  "tiff big-endian": lambda: saved(
    Image.frombytes("I;16B", (64, 64), RAMP.astype(">u2").tobytes()), "TIFF"
  ),
  "tiff lzw": lambda: by_opencv(".tif", RAMP),
  "tiff white is zero": lambda: tiff(plain(65535 - RAMP), 16, photometric=0),
  "tiff 12 bits": lambda: tiff(packed12(RAMP >> 4), 12),
  "tiff float": lambda: tiff(plain(UNIT), 32, kind=3),
  "tiff float white is zero": lambda: tiff(
    plain(1 - UNIT), 32, kind=3, photometric=0
  ),
  "tiff colour": lambda: by_opencv(".tif", np.dstack([RAMP] * 3)),
  "pgm": lambda: by_opencv(".pgm", RAMP),
  "ppm": lambda: by_opencv(".ppm", np.dstack([RAMP] * 3)),
  "png": lambda: by_opencv(".png", RAMP),
  "png colour": lambda: by_opencv(".png", np.dstack([RAMP] * 3)),
  "jpeg 2000": lambda: by_opencv(".jp2", RAMP),
}


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", DEEP)
def test_more_than_8_bits_a_channel_keep_their_range(name, channels):
  got = decode_image(DEEP[name](), channels)
  assert got.shape == (64, 64, channels)
  assert np.abs(got.astype(int) - WIDE[..., None]).max() <= 1


UNKNOWN = {
  "float": (
    lambda: tiff(plain(255 * UNIT), 32, kind=3),
    "0 to 255, of unknown",
  ),
  "nan": (lambda: tiff(plain(UNIT + np.nan), 32, kind=3), "float pixels"),
  "signed": (
    lambda: tiff(plain(RAMP.astype(np.int16)), 16, kind=2),
    "signed pixels, from -32.* of unknown range",
  ),
  "32 bits": (lambda: tiff(plain(RAMP.astype(np.uint32)), 32), "unknown range"),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_pixels_of_unknown_range_are_refused(name):
  make, message = UNKNOWN[name]
  with pytest.raises(BadImage, match=rf"image deep\.tif: has .*{message}"):
    decode_image(make(), name="deep.tif")


KEPT = [name for name in DEEP if name not in ("tiff colour", "ppm")]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", KEPT)
def test_16_bits_are_kept_where_they_are_asked_for(name, channels):
  """Pillow has colours of 8 bits alone, so that PNG is the one for those."""
  got = decode_image(DEEP[name](), channels, bits=16)
  assert got.dtype == np.uint16 and got.shape == (64, 64, channels)
  exact = RAMP >> 4 << 4 if "12" in name else RAMP
  assert np.abs(got.astype(int) - exact[..., None]).max() <= 15 * ("12" in name)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("first", [0, 1])
def test_a_set_may_mix_8_and_16_bits(tmp_path, caplog, bits, first):
  """One depth for all, whichever file comes first; the same pixels."""
  wide = RAMP >> 8 << 8 | RAMP >> 8  # what 8 bits can say
  (tmp_path / "a").mkdir()
  for i, pixels in enumerate((wide, WIDE)[:: 1 - 2 * first]):
    (tmp_path / "a" / f"{i}.png").write_bytes(by_opencv(".png", pixels))
  for transforms in (
    [decode(bits=bits), resize((32, 32))],
    [random_resized_crop(32, (1, 1), (1, 1), bits=bits)],
  ):
    caplog.clear()
    loader = Loader(ImageFolder(tmp_path), transforms, 2, shuffle=False)
    image = loader.batch(0)["image"]
    assert image.dtype == f"uint{bits}"
    np.testing.assert_array_equal(image[0], image[1])
    white = 2**bits - 1
    assert image.max() > 0.98 * white and image.min() < 0.02 * white
    logged = [text for text in caplog.messages if "--config.bits=16" in text]
    assert len(logged) == (bits == 8)
  with pytest.raises(DataError, match="bits 12; expected 8 or 16"):
    decode(bits=12)
  with pytest.raises(DataError, match="bits 12; expected 8 or 16"):
    random_resized_crop(8, bits=12)


@pytest.mark.parametrize("method", ["bilinear", "bicubic", "fast"])
def test_16_bits_are_resized_as_8_are(method):
  pixels = random_image(40, 60)
  small = resize_image(pixels, (15, 90), method)
  deep = resize_image(pixels * np.uint16(257), (15, 90), method)
  assert deep.dtype == np.uint16 and deep.shape == small.shape
  assert np.abs(deep / 257 - small).max() <= 1
