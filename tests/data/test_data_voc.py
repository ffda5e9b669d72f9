"""VOC folders: lists, images and annotations as other tools write them."""

import numpy as np
import pytest

from tests.box_files import jpeg, write_voc
from vision_jax.data.errors import DataError
from vision_jax.data.sources.voc import VocSource

ALL = np.arange(2)
DOG = [("dog", 6, 4, 30, 20)]


def with_list(root, text):
  path = root / "ImageSets" / "Main" / "train.txt"
  path.write_text(text, encoding="utf-8")
  return VocSource(root, "train")


@pytest.mark.parametrize(
  ("line", "stem"),
  [
    ("photo", "photo"),
    ("photo (1)", "photo (1)"),  # VoTT#692: read `photo`
    ("photo 1", "photo 1"),
    ("photo (1)  -1", "photo (1)"),
    ("photo 0", "photo"),
    ("photo.jpg", "photo"),
    ("photo (1).JPG 1", "photo (1)"),
    ("\ufeffphoto", "photo"),
    ("v1.2", "v1.2"),
    ("more/photo", "more/photo"),
  ],
)
def test_a_line_of_a_list(tmp_path, line, stem):
  for name in ("photo", "photo (1)", "photo 1", "v1.2"):
    write_voc(tmp_path, DOG, name=name)
  for folder in ("JPEGImages", "Annotations"):
    (tmp_path / folder / "more").mkdir()
  write_voc(tmp_path, DOG, name="more/photo")
  source = with_list(tmp_path, f"{line}\n\n")
  assert source.stems == [stem]
  (example,) = source.read(ALL[:1])
  assert example["name"].endswith(f"JPEGImages/{stem}.jpg")


@pytest.mark.parametrize(
  ("text", "message"),
  [
    ("one\none.jpg\n", r"lines 1 and 2 both name 'one'"),
    ("one\n\nother\n", r"line 3: names 'other', and there is no .*other\.xml"),
    ("JPEGImages/one.jpg", "without folder and suffix"),
    ("../../one", "outside the folder"),
    ("/etc/passwd", "outside the folder"),
    ("\n", "is empty"),
  ],
)
def test_a_list_that_is_wrong(tmp_path, text, message):
  write_voc(tmp_path / "voc", DOG)
  (tmp_path / "voc" / "Annotations" / "one.xml").rename(tmp_path / "one.xml")
  write_voc(tmp_path / "voc", DOG)
  with pytest.raises(DataError, match=rf"VOC list .*train\.txt.*{message}"):
    len(with_list(tmp_path / "voc", text))


def test_a_list_in_another_encoding_is_named(tmp_path):
  write_voc(tmp_path, DOG)
  path = tmp_path / "ImageSets" / "Main" / "train.txt"
  path.write_bytes("é".encode("latin-1"))
  with pytest.raises(DataError, match=r"train\.txt: cannot be read"):
    len(VocSource(tmp_path, "train"))


@pytest.mark.parametrize("suffix", [".JPEG", ".PNG", ".bmp", ".webp", ".tif"])
def test_images_of_any_kind_are_found(tmp_path, suffix):
  write_voc(tmp_path, DOG)
  path = tmp_path / "JPEGImages" / "one.jpg"
  path.rename(path.with_suffix(suffix))
  (example,) = VocSource(tmp_path, "train").read(ALL[:1])
  assert example["image"] == jpeg(40, 60, "one")


def edited(root, old, new):
  path = root / "Annotations" / "one.xml"
  path.write_text(path.read_text().replace(old, new))
  return VocSource(root, "train", on_bad_box="drop")


def test_filename_says_which_of_two_images(tmp_path):
  """efficientdet-pytorch#16: it was ignored."""
  write_voc(tmp_path, DOG)
  (tmp_path / "JPEGImages" / "one.png").write_bytes(b"the other")
  source = edited(tmp_path, "<size>", "<filename>x/one.png</filename><size>")
  assert source.read(ALL[:1])[0]["image"] == b"the other"
  source = edited(tmp_path, "x/one.png", "none.png")
  with pytest.raises(DataError, match=r"one\.jpg, one\.png .*'none\.png'"):
    source.read(ALL[:1])


@pytest.mark.parametrize(
  ("text", "value"),
  [("1", 1), ("True", 1), ("1.0", 1), ("0", 0), ("0.0", 0), ("", 0), ("No", 0)],
)
def test_difficult_as_tools_write_it(tmp_path, text, value):
  write_voc(tmp_path, DOG)
  source = edited(tmp_path, "<difficult>0<", f"<difficult>{text}<")
  assert source.read(ALL[:1])[0]["ignore"].tolist() == [value]


@pytest.mark.parametrize(
  ("old", "new", "message"),
  [
    ("<name>dog</name>", "<name> </name>", "object 0 has no <name>"),
    ("<name>dog</name>", "", "object 0 has no <name>"),
    ("<difficult>0<", "<difficult>maybe<", "<difficult> 'maybe'"),
    (">60</width>", ">0</width>", "<size> has height 40 and width 0"),
    (">60</width>", ">inf</width>", "<size> has height 40 and width inf"),
    (">60</width>", ">nan</width>", "<size> has height 40 and width nan"),
    (">60</width>", ">1e30</width>", r"<size> has .*width 1e\+30"),
    (">60</width>", ">60.5</width>", r"<size> has .*width 60\.5"),
    (">60</width>", ">wide</width>", "size/width 'wide'"),
    ("<xmin>6</xmin>", "", "object 0: .*bndbox/xmin None"),
    ("<xmin>6<", "<xmin>left<", "object 0: .*bndbox/xmin 'left'"),
    (
      "<annotation>",
      "<?xml version='1.0' encoding='no-8'?><annotation>",
      "no-8",
    ),
    ("<annotation>", "<?xml version='1.0' encoding='cp037'?><annotation>", ""),
    ("</annotation>", "", "cannot be read"),
  ],
)
def test_an_annotation_that_is_wrong(tmp_path, old, new, message):
  write_voc(tmp_path, DOG)
  with pytest.raises(DataError, match=rf"annotation .*one\.xml: .*{message}"):
    edited(tmp_path, old, new).read(ALL[:1])


def test_every_annotation_is_checked_on_first_use(tmp_path):
  write_voc(tmp_path, DOG)
  write_voc(tmp_path, [("dog", 9, 9, 2, 20)], name="two")
  with pytest.raises(DataError, match=r"two\.xml: box 0 has a negative"):
    VocSource(tmp_path, "train").read(ALL[:1])
