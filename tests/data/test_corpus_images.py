"""The corpus: images of every format, cut, empty, huge and of no format."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, features

from tests.corpus import cases, refuse
from tests.data_fixtures import encode, random_image
from vision_jax.data.errors import BadImage
from vision_jax.data.images import decode_image

PIXELS = random_image(24, 32)
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "TGA")
FORMATS += tuple(
  name
  for name, codec in (("JPEG2000", "jpg_2000"), ("AVIF", "avif"))
  if features.check(codec)
)
WHOLE = r"expected a whole, decodable image"


def reads(data, channels=3):
  """Decodes bytes, or what a function gives."""

  def use(folder):
    del folder
    content = data() if callable(data) else data
    decode_image(content, channels, "owls/a.pic")

  return use


def saved(pixels, kind, mode=None):
  """Encodes pixels that Pillow has a mode for."""
  file = io.BytesIO()
  Image.fromarray(pixels, mode).save(file, kind)
  return file.getvalue()


def cut(kind, keep):
  """Returns what encodes an image and keeps its beginning."""
  return lambda: (lambda data: data[: keep(len(data))])(encode(PIXELS, kind))


def chunk(name, body=b""):
  """One chunk of a PNG."""
  crc = zlib.crc32(name + body)
  return struct.pack(">I", len(body)) + name + body + struct.pack(">I", crc)


def png(*chunks):
  """A PNG of these chunks."""
  return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def header(width, height, depth=8, colour=2):
  """A PNG's first chunk."""
  head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
  return chunk(b"IHDR", head)


def patched(kind, at, number, **options):
  """Encodes an image, and writes bytes over it at a place."""

  def make():
    data = bytearray(encode(PIXELS, kind, **options))
    place = data.find(at) + len(at) if isinstance(at, bytes) else at
    data[place : place + len(number)] = number
    return bytes(data)

  return make


ROWS = chunk(b"IDAT", zlib.compress(bytes(4 * 13)))
END = chunk(b"IEND")
HALF = [
  (f"half of a {kind}", reads(cut(kind, lambda n: n // 2)), r"a\.pic.*" + WHOLE)
  for kind in FORMATS
]
HEADER = [
  (f"24 bytes of a {kind}", reads(cut(kind, lambda n: 24)), r"a\.pic.*" + WHOLE)
  for kind in FORMATS
]
BIG = struct.pack(">HH", 65_000, 65_000)
LITTLE = struct.pack("<HH", 65_000, 65_000)
PNGS = [
  ("the signature alone", reads(png()), "truncated"),
  ("the end alone", reads(png(END)), WHOLE),
  ("no pixels", reads(png(header(4, 4), END)), WHOLE),
  ("no header", reads(png(ROWS, END)), WHOLE),
  ("a short header", reads(png(chunk(b"IHDR", b"\0" * 5), ROWS, END)), WHOLE),
  ("no end", reads(png(header(4, 4), ROWS)), "truncated"),
  ("no width", reads(png(header(0, 4), ROWS, END)), WHOLE),
  ("a colour type of 9", reads(png(header(4, 4, colour=9), ROWS, END)), WHOLE),
  ("a depth of 3", reads(png(header(4, 4, depth=3), ROWS, END)), WHOLE),
  ("a bomb", reads(png(header(20_000, 20_000), ROWS, END)), r"20000|pixels"),
  ("a wide bomb", reads(png(header(2**31 - 1, 4), ROWS, END)), WHOLE),
  ("a checksum", reads(png(header(4, 4), ROWS[:-1] + b"?", END)), "checksum"),
  ("pixels of noise", reads(png(header(4, 4), chunk(b"IDAT", b"?"), END)),
   WHOLE),
]  # fmt: skip
OTHERS = [
  ("an empty file", reads(b""), r"a\.pic: the file is empty"),
  ("text", reads(b"no image at all" * 20), "no known image format"),
  ("a page", reads(b"<!DOCTYPE html><html>404</html>"),
   "no known image format"),
  ("drawing of lines", reads(b"<svg xmlns='x'/>"), "no known image format"),
  ("a document", reads(b"%PDF-1.7 " * 9), "no known image format"),
  ("zeros", reads(bytes(500)), WHOLE),
  ("a byte", reads(b"\xff"), "no known image format"),
  ("a JPEG's first bytes", reads(b"\xff\xd8\xff"), WHOLE),
  ("a JPEG without a frame", reads(b"\xff\xd8\xff\xd9"), WHOLE),
  ("a JPEG bomb", reads(patched("JPEG", b"\xff\xc0\0\x11\x08", BIG)), WHOLE),
  ("a GIF bomb", reads(patched("GIF", 6, LITTLE)), WHOLE),
  ("a BMP bomb", reads(patched("BMP", 18, struct.pack("<ii", 60_000, 60_000))),
   WHOLE),
  ("a PPM bomb", reads(b"P6\n60000 60000\n255\n" + bytes(99)), WHOLE),
  ("a PPM of no size", reads(b"P6\n0 0\n255\n"), WHOLE),
  ("a PPM of words", reads(b"P6\nwide high\n255\n"), WHOLE),
  ("a TIFF of another order", reads(b"II*\0" + b"\xff" * 40), WHOLE),
  ("signed pixels of unknown range",
   reads(lambda: saved(np.full((4, 4), -5, np.int32), "TIFF")), "range"),
  ("float pixels of unknown range",
   reads(lambda: saved(np.full((4, 4), 7, np.float32), "TIFF")), "range"),
  ("two channels", reads(lambda: encode(PIXELS, "PNG"), 2),
   "has 3 channels; expected 2"),
]  # fmt: skip


@cases([*HALF, *HEADER, *OTHERS])
def test_an_image(tmp_path, use, pattern):
  refuse(use, tmp_path, pattern)


@cases(PNGS)
def test_a_png(tmp_path, use, pattern):
  refuse(use, tmp_path, pattern)


@pytest.mark.parametrize("kind", FORMATS)
def test_the_whole_image_is_read(kind):
  """What the cases above are cut from is right."""
  assert decode_image(encode(PIXELS, kind)).shape == PIXELS.shape


def test_a_bad_image_can_be_left_out():
  """Skipping knows them by their type, the end of a PNG alone too."""
  for data in (b"", png(END), png(header(20_000, 20_000), ROWS, END)):
    with pytest.raises(BadImage) as caught:
      decode_image(data, 3, "a.png")
    assert caught.value.name == "a.png"
