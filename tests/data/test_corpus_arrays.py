"""The corpus: arrays, npz files, and folders of images and masks."""

import struct
import zipfile

import numpy as np
import pytest
from PIL import Image

from tests.corpus import cases, refuse
from tests.data_fixtures import encode, random_image
from vision_jax.data.sources.arrays import ArraySource, NpzSource
from vision_jax.data.sources.masks import MaskFolder, camvid
from vision_jax.data.subsets import split_train
from vision_jax.data.transforms.image import decode
from vision_jax.data.transforms.masks import decode_target

IMAGE = np.zeros((6, 4, 4, 3), np.uint8)
LABEL = np.arange(6) % 3


def arrays(num_classes=3, **given):
  """Checks arrays in memory."""
  given = {"image": IMAGE, "label": LABEL} | given
  given = {key: x for key, x in given.items() if x is not None}
  return lambda folder: len(ArraySource(given, num_classes))


def pixels(value, dtype, shape=IMAGE.shape):
  """Checks pixels of one value."""
  return arrays(image=np.full(shape, value, dtype))


def held_out(number):
  """Holds so many examples out."""
  source = ArraySource({"image": IMAGE, "label": LABEL}, 3)
  return lambda folder: [len(part) for part in split_train(source, number)]


ARRAYS = [
  ("no arrays", lambda folder: len(ArraySource({})), "at least one array"),
  ("other lengths", arrays(label=LABEL[:5]), r"lengths .*6.*5.*same leading"),
  ("a number as label", arrays(label=np.int64(3)), "same leading axis"),
  ("grey without an axis", arrays(image=IMAGE[..., 0]),
   r"image\[\.\.\., None\]"),
  ("one axis", arrays(image=IMAGE[:, 0, 0, 0]), r"expected \(n, h, w, c\)"),
  ("pixels from -1", pixels(-1.0, np.float32), r"values from -1.*0 to 255"),
  ("pixels of 16 bits", pixels(65_535, np.uint16), "65535.*0 to 255"),
  ("pixels above 255", pixels(256, np.int64), "256.*0 to 255"),
  ("pixels of NaN", pixels(np.nan, np.float32), "nan"),
  ("infinite pixels", pixels(np.inf, np.float64), "inf"),
  ("complex pixels", pixels(1j, np.complex64), "complex64"),
  ("pixels of text", pixels("x", "U1"), "<U1"),
  ("pixels of objects", pixels(None, object), "object"),
  ("dates as pixels", pixels("2020-01-01", "M8[D]"), "datetime64"),
  ("float labels", arrays(label=LABEL * 1.5), "label .*float64.*integer"),
  ("text as labels", arrays(label=LABEL.astype("U1")), "label .*<U1"),
  ("a label of k", arrays(label=LABEL + 1), r"2 labels out of range.*first 3"),
  ("a label below 0", arrays(label=LABEL - 1), "2 labels out of range.*-1"),
  ("a label of 2**40", arrays(label=LABEL + 2**40), "out of range"),
  ("labels in a column", arrays(label=LABEL[:, None]), r"label\[:, 0\]"),
  ("indicators of 2", arrays(label=np.full((6, 3), 2)), "from 0 to 1"),
  ("indicators of others", arrays(label=np.zeros((6, 5))), r"\(n, 3\)"),
  ("a holdout of all", held_out(6), "6"),
  ("a holdout below 0", held_out(-1), "-1"),
  ("a holdout of 1.5", held_out(1.5), r"1\.5"),
]  # fmt: skip


@cases(ARRAYS)
def test_arrays(tmp_path, use, pattern):
  refuse(use, tmp_path, pattern)


def file(content, keys=None):
  """Reads a file of these bytes as npz."""

  def use(folder):
    path = folder / "owls.npz"
    path.write_bytes(content(folder) if callable(content) else content)
    len(NpzSource(path, keys, 3))

  return use


def packed(**given):
  """The bytes of an npz file."""

  def make(folder):
    np.savez(folder / "made.npz", **given)
    return (folder / "made.npz").read_bytes()

  return make


def claims(shape):
  """An npz file whose header claims more than there is."""

  def make(folder):
    head = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}"
    head = (head + " " * (-(len(head) + 11) % 64) + "\n").encode()
    body = b"\x93NUMPY\1\0" + struct.pack("<H", len(head)) + head
    with zipfile.ZipFile(folder / "made.npz", "w") as archive:
      archive.writestr("image.npy", body)
      archive.writestr("label.npy", body)
    return (folder / "made.npz").read_bytes()

  return make


def one_array(folder):
  np.save(folder / "made.npy", IMAGE)
  return (folder / "made.npy").read_bytes()


def half(folder):
  data = packed(image=IMAGE, label=LABEL)(folder)
  return data[: len(data) // 2]


def flipped(folder):
  data = bytearray(packed(image=IMAGE, label=LABEL)(folder))
  data[200] ^= 255
  return bytes(data)


NPZ = [
  ("no file", lambda folder: len(NpzSource(folder / "owls.npz")), "not exist"),
  ("a folder", lambda folder: len(NpzSource(folder)), "not exist"),
  ("empty", file(b""), r"owls\.npz.*cannot be read"),
  ("text", file(b"image,label\n"), r"owls\.npz.*cannot be read"),
  ("half", file(half), r"owls\.npz.*cannot be read"),
  ("a bit flipped", file(flipped), r"owls\.npz.*cannot be read"),
  ("one array", file(one_array), r"owls\.npz.*savez"),
  ("objects", file(packed(image=np.array([{}], object))), "pickled objects"),
  ("no image", file(packed(label=LABEL), {"image": "x"}), "no array x"),
  ("an archive of text", file(packed()), r"image|at least one array"),
  ("909 TiB", file(claims("(1000000, 1000, 1000, 1000)")),
   r"owls\.npz.*cannot be read"),
  ("a shape below 0", file(claims("(-4, 1, 1, 1)")), r"owls\.npz"),
]  # fmt: skip


@cases(NPZ)
def test_a_file_of_arrays(tmp_path, use, pattern):
  refuse(use, tmp_path, pattern)


MASK = np.array([[0, 1], [1, 0]], np.uint8).repeat(8, 0).repeat(8, 1)


def png(mask, name="a.png", mode=None):
  """Writes a mask."""

  def write(folder):
    folder.mkdir(exist_ok=True)
    Image.fromarray(mask, mode).save(folder / name)

  return write


def raw(data, name="a.png"):
  """Writes bytes in a mask's place."""

  def write(folder):
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(data)

  return write


def masks(*writes, num_classes=2, image=(16, 16), **options):
  """Reads one image with its mask."""

  def use(folder):
    (folder / "images").mkdir()
    (folder / "images" / "a.jpg").write_bytes(encode(random_image(*image)))
    for write in writes or (png(MASK),):
      write(folder / "masks")
    source = MaskFolder(folder / "images", folder / "masks")
    (example,) = source.read(np.arange(1))
    for apply in (decode(), decode_target(num_classes, **options)):
      example = apply(example, None)

  return use


COLOURS = MASK[..., None].repeat(3, -1)
MASKS = [
  ("no folder", masks(lambda folder: None), "masks.*does not exist"),
  ("an empty folder", masks(lambda folder: folder.mkdir()),
   "masks.*no images"),
  ("a file", masks(lambda folder: folder.write_text("")), "masks.*is a file"),
  ("no mask", masks(png(MASK, "b.png")), r"a\b"),
  ("two masks", masks(png(MASK), png(MASK, "a.bmp")), r"a\.bmp and a\.png"),
  ("colours", masks(png(COLOURS)), r"a\.png.*3 channels.*one value"),
  ("another size", masks(png(MASK[:8])), r"a\.png.*8x16.*16x16"),
  ("another value", masks(png(MASK * 9)), r"a\.png.*values 9.*mask_values"),
  ("many values", masks(png(np.arange(256, dtype=np.uint8).reshape(16, 16))),
   r"a\.png.*values 2, 3"),
  ("fractions", masks(png(MASK * np.float32(0.5), "a.tif")), r"a\.tif.*whole"),
  ("numbers below 0", masks(png(MASK * np.int32(-1), "a.tif")), r"a\.tif"),
  ("lossy", masks(png(MASK, "a.jpg")), r"a\.jpg.*(lossy|JPEG)"),
  ("empty", masks(raw(b"")), r"a\.png"),
  ("text", masks(raw(b"none" * 50)), r"a\.png.*whole"),
  ("half", masks(raw(encode(COLOURS, "PNG")[:60])), r"a\.png.*whole"),
  ("fewer values than classes", masks(mask_values=(0,)), "got 1 for 2 classes"),
  ("a value twice", masks(mask_values=(1, 1)), "every value once"),
  ("a value of both kinds", masks(ignore_values=(0,)), "every value once"),
  ("values of 99999", masks(num_classes=3, mask_values=(0, 99_999, 3)),
   "99999"),
  ("a value below 0", masks(mask_values=(0, -1)), "-1"),
  ("70,000 ignored", masks(ignore_values=(70_000,)), "70000"),
  ("no classes", masks(num_classes=0), "classes"),
  ("300 classes", masks(num_classes=300), "classes"),
  ("a split of CamVid", lambda folder: camvid("all", folder),
   "got split 'all'"),
]  # fmt: skip


@cases(MASKS)
def test_masks(tmp_path, use, pattern):
  refuse(use, tmp_path, pattern)


def test_right_ones_are_read(tmp_path):
  """What the cases above differ from by one thing is right."""
  arrays()(tmp_path)
  masks()(tmp_path)
  file(packed(image=IMAGE, label=LABEL))(tmp_path)
  with pytest.raises(TypeError):  # a programmer's error keeps its type
    ArraySource()
