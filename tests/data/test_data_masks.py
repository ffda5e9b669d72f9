"""Folders of images and masks: matching, mapping, and what is wrong."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from vision_jax.data.errors import BadImage, DataError
from vision_jax.data.loader import Loader
from vision_jax.data.recognise import recognise
from vision_jax.data.sources.masks import CAMVID_VOID, MaskFolder, camvid
from vision_jax.data.transforms.base import keep
from vision_jax.data.transforms.image import decode
from vision_jax.data.transforms.masks import (
  decode_target,
  open_mask,
  resize_with_target,
)

RNG = np.random.default_rng(0)
REGIONS = np.kron(RNG.integers(0, 3, (8, 8)), np.ones((3, 3))).astype(np.uint8)


def write(path, array):
  path.parent.mkdir(parents=True, exist_ok=True)
  assert cv2.imwrite(str(path), array)


@pytest.fixture
def folder(tmp_path):
  """Three images of different sizes, with masks of 0, 7 and 255."""
  for i, name in enumerate(("a", "b", "deep/c")):
    size = (8 + i, 10 + i)
    write(
      tmp_path / "images" / f"{name}.jpg", np.full((*size, 3), 90, np.uint8)
    )
    mask = RNG.choice(np.array([0, 7, 255], np.uint8), size)
    write(tmp_path / "masks" / f"{name}.png", mask)
  write(tmp_path / "masks" / "more.png", np.zeros((4, 4), np.uint8))
  return tmp_path


def source(folder):
  return MaskFolder(folder / "images", folder / "masks")


def test_masks_that_have_no_image_are_counted(folder, caplog):
  assert len(source(folder)) == 3
  (logged,) = caplog.messages
  assert logged == f"{folder / 'masks'}: left out 1 masks without an image"


def test_images_and_masks_are_matched_mapped_and_made_one_size(folder):
  data = source(folder)
  assert len(data) == 3 and data.values() == [0, 7, 255]
  assert [p.stem for pair in data.files for p in pair] == [*"aabbcc"]
  transforms = [
    decode(),
    decode_target(2, mask_values=(7, 0), ignore_values=(255,)),
    resize_with_target((16, 20)),
  ]
  batch = next(Loader(data, transforms, batch_size=4).epoch())
  assert batch["image"].shape == (4, 16, 20, 3)
  assert batch["target"].shape == (4, 16, 20)
  assert batch["target"].dtype == np.uint8
  assert batch["mask"].tolist() == [1, 1, 1, 0]
  raw = cv2.imread(str(data.files[0][1]), cv2.IMREAD_UNCHANGED)
  mapped = np.select([raw == 7, raw == 0], [0, 1], 255)
  np.testing.assert_array_equal(
    batch["target"][0], mapped.repeat(2, 0).repeat(2, 1)
  )


def test_counts_for_balancing(folder):
  transform = decode_target(3, mask_values=(0, 7, 9), ignore_values=(255,))
  pixels, present = source(folder).class_pixels(transform, 3)
  masks = [
    cv2.imread(str(mask), cv2.IMREAD_UNCHANGED)
    for _, mask in source(folder).files
  ]
  assert pixels[0] == sum((m == 0).sum() for m in masks)
  assert present[1] == sum((m != 255).sum() for m in masks)
  assert pixels[2] == present[2] == 0


def test_a_palettes_mask_has_its_indices(tmp_path):
  index = RNG.integers(0, 3, (6, 5)).astype(np.uint8)
  image = Image.fromarray(index, mode="P")
  image.putpalette([200, 0, 0, 0, 200, 0, 0, 0, 200])
  (tmp_path / "masks").mkdir()
  image.save(tmp_path / "masks" / "a.png")
  write(tmp_path / "images" / "a.png", np.zeros((6, 5, 3), np.uint8))
  (example,) = source(tmp_path).read([0])
  got = decode_target(3)(decode()(example, None), None)
  np.testing.assert_array_equal(got["target"], index)
  assert "target_name" not in got


def test_the_fingerprint_follows_the_files(folder):
  before = source(folder).fingerprint()
  assert source(folder).fingerprint() == before
  write(folder / "masks" / "a.png", np.zeros((8, 10), np.uint8))
  assert source(folder).fingerprint() != before


def test_keep_leaves_the_rest_out():
  batch = {"image": 1, "target": 2, "boxes": 3, "mask": 4, "name": "x"}
  kept = keep("image", "target")(batch, None)
  assert set(kept) == {"image", "target", "mask", "name"}


def mask_as(folder, array):
  write(folder / "masks" / "a.png", np.asarray(array))
  example = decode()(source(folder).read([0])[0], None)
  return decode_target(2, mask_values=(0, 255))(example, None)


@pytest.mark.parametrize(
  ("array", "message"),
  [
    (
      np.full((8, 10), 7, np.uint8),
      r"mask .*masks/a.png: has the values 7; expected 0, 255.*mask_values=",
    ),
    (np.zeros((9, 10), np.uint8), r"a.png: is 9x10 .*its image 8x10"),
    (np.zeros((8, 10, 3), np.uint8), "a.png: has 3 channels"),
  ],
)
def test_a_mask_that_does_not_fit_is_named(folder, array, message):
  with pytest.raises(DataError, match=message):
    mask_as(folder, array)


def test_a_mask_with_many_other_values_gets_no_advice_to_list_them(folder):
  with pytest.raises(DataError, match="saved lossily: export") as caught:
    mask_as(folder, np.arange(80, dtype=np.uint8).reshape(8, 10))
  assert "mask_values" not in str(caught.value)


def test_single_objects_are_one_class(folder):
  """Numbered in 8 or 16 bits, in colours, with transparency, by a palette."""
  numbers = np.zeros((8, 10), np.uint16)
  numbers[1:3, 2:5], numbers[4:7, 6:9] = 1, 700
  colours = np.zeros((8, 10, 3), np.uint8)
  colours[1:3, 2:5], colours[4:7, 6:9] = (0, 0, 9), (200, 0, 0)
  opaque = np.dstack([colours, np.full((8, 10), 255, np.uint8)])
  expected = (numbers > 0).astype(np.uint8)
  transform = decode_target(2, objects=True)
  for mask in (numbers, (numbers % 255).astype(np.uint8), colours, opaque):
    write(folder / "masks" / "a.png", mask)
    example = decode()(source(folder).read([0])[0], None)
    target = transform(example, None)["target"]
    assert target.dtype == np.uint8
    np.testing.assert_array_equal(target, expected)
  array = transform({"target": numbers}, None)["target"]
  np.testing.assert_array_equal(array, expected)


def test_masks_that_may_be_of_objects_name_the_flag(folder):
  with pytest.raises(DataError, match=r"3 channels.*config\.objects=true"):
    mask_as(folder, np.zeros((8, 10, 3), np.uint8))
  with pytest.raises(DataError, match=r"is an object.*config\.objects=true"):
    mask_as(folder, np.arange(80, dtype=np.uint8).reshape(8, 10))


def test_a_file_for_each_object_says_to_join_them(tmp_path):
  """In a folder of masks for each image, and in a folder for each image."""
  mask = np.zeros((8, 10), np.uint8)
  for name in ("ab1", "cd2"):
    write(tmp_path / "a/images" / f"{name}.png", mask)
    write(tmp_path / "b" / name / "images" / f"{name}.png", mask)
    for k in "xyz":
      write(tmp_path / "a/masks" / name / f"{k}.png", mask)
      write(tmp_path / "b" / name / "masks" / f"{k}.png", mask)
  joined = "has a file for each object .*Join them .*objects=true"
  with pytest.raises(DataError, match=f"a/masks/ab1: {joined}"):
    len(source(tmp_path / "a"))
  for has in ("", "masks"):
    with pytest.raises(DataError, match=f"b/ab1/masks: {joined}"):
      recognise(tmp_path / "b", has=has)
  write(tmp_path / "c" / "one" / "images" / "1.png", mask)
  write(tmp_path / "c" / "one" / "masks" / "1.png", mask)
  write(tmp_path / "c" / "two" / "images" / "2.png", mask)
  write(tmp_path / "c" / "two" / "masks" / "2.png", mask)
  with pytest.raises(DataError, match="c: has images and masks in each folder"):
    recognise(tmp_path / "c")


def test_a_broken_mask_is_a_bad_image_and_may_be_skipped(folder):
  (folder / "masks" / "b.png").write_bytes(b"\x89PNG\r\n")
  transforms = [
    decode(),
    decode_target(3, mask_values=(0, 7, 255)),
    resize_with_target((8, 8)),
  ]
  loader = Loader(source(folder), transforms, 3)
  with pytest.raises(BadImage, match=r"masks/b\.png"):
    next(loader.epoch())
  loader = Loader(source(folder), transforms, 3, on_bad_image="skip")
  assert next(loader.epoch())["mask"].tolist() == [1, 0, 1]
  assert loader.skipped == 1


LOSSY = {
  "JPEG": {},
  "WEBP": {},
  "AVIF": {},
  "JPEG2000": {},
  "TIFF": {"compression": "jpeg"},
}
LOSSLESS = {
  "PNG": {},
  "BMP": {},
  "GIF": {},
  "PPM": {},
  "TGA": {},
  "TIFF": {"compression": "tiff_lzw"},
}


@pytest.mark.parametrize("kind", LOSSY)
def test_lossy_masks_are_refused(kind):
  """Pytorch-UNet PR 363: three classes became six."""
  with pytest.raises(DataError, match=f"saved as {kind}, which changes pixels"):
    open_mask(saved(kind, LOSSY[kind]), "a mask")


@pytest.mark.parametrize("kind", LOSSLESS)
def test_lossless_masks_are_read(kind):
  mask = open_mask(saved(kind, LOSSLESS[kind]), "a mask")
  np.testing.assert_array_equal(mask, REGIONS)


def saved(kind, options):
  file = io.BytesIO()
  Image.fromarray(REGIONS).save(file, kind, **options)
  return file.getvalue()


def test_a_flipped_png_is_no_mask():
  data = saved("PNG", {})
  for i in range(8, len(data) - 12):
    flipped = bytearray(data)
    flipped[i] ^= 4
    with pytest.raises(BadImage, match="a mask"):
      open_mask(bytes(flipped), "a mask")


def test_missing_files_are_named(folder):
  (folder / "masks" / "deep" / "c.png").unlink()
  with pytest.raises(DataError, match=r"1 of 3 images: .*deep/c\.jpg"):
    len(source(folder))
  write(folder / "images" / "a.png", np.zeros((4, 4), np.uint8))
  with pytest.raises(DataError, match=r"a\.jpg and a\.png have one name"):
    len(source(folder))
  with pytest.raises(DataError, match=r"nowhere: does not exist"):
    len(MaskFolder(folder / "nowhere", folder / "masks"))
  (folder / "empty").mkdir()
  with pytest.raises(DataError, match=r"empty: has no images"):
    len(MaskFolder(folder / "empty", folder / "masks"))


@pytest.mark.parametrize(
  ("call", "message"),
  [
    (lambda: decode_target(3, mask_values=(0, 1)), "got 2 for 3 classes"),
    (lambda: decode_target(2, mask_values=(1, 1)), "every value once"),
    (lambda: decode_target(2, ignore_values=(1,)), "every value once"),
    (lambda: decode_target(256), "1 to 255 classes"),
    (lambda: decode_target(3, mask_values=(0, 99999, 3)), "got 99999; .*65535"),
    (lambda: decode_target(2, mask_values=(0, -1)), "got -1; expected"),
    (lambda: decode_target(3, objects=True), "got 3 classes; expected two"),
    (
      lambda: decode_target(2, objects=True, ignore_values=(255,)),
      "got 2 classes and values 255; expected two, .* without mask_values",
    ),
    (lambda: decode_target(2, ignore_values=(70000,)), "got 70000"),
    (lambda: camvid("validation"), "got split 'validation'"),
  ],
)
def test_bad_arguments_are_named(call, message):
  with pytest.raises(DataError, match=message):
    call()


def test_camvid(data_root):
  sizes = {
    s: len(camvid(s, data_root / "camvid")) for s in ("train", "val", "test")
  }
  assert sizes == {"train": 367, "val": 101, "test": 233}
  data = camvid("test", data_root / "camvid")
  to_target = decode_target(11, ignore_values=(CAMVID_VOID,))
  example = to_target(decode()(data.read([5])[0], None), None)
  assert example["image"].shape == (360, 480, 3)
  assert set(np.unique(example["target"])) <= {*range(11), 255}
