"""The walk through folders: what is an image, a class, a split, and what not.

Symptoms of vision#2831, datasets#7880, fer#45, dvc#3717 and renpy#2327.
"""

import io
import os
import unicodedata

import numpy as np
import pytest
from PIL import Image

from tests.data_fixtures import encode, random_image
from vision_jax.data.errors import BadImage, DataError
from vision_jax.data.files import SUFFIXES, find_images, read_image
from vision_jax.data.images import decode_image
from vision_jax.data.loader import Loader
from vision_jax.data.sources.folders import ImageFolder, split_folders
from vision_jax.data.sources.image_list import ImageList
from vision_jax.data.sources.masks import MaskFolder
from vision_jax.data.transforms.image import decode

PIXELS = encode(random_image(8, 8))


def put(root, *names):
  for name in names:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(PIXELS)


def names(source):
  return [p.relative_to(source.folder).as_posix() for p in source.files]


def test_what_others_put_beside_images_is_left_out_and_counted(
  tmp_path, caplog
):
  put(tmp_path, "cat/1.jpg", "dog/1.jpg", "dog/in/2.jpg")
  litter = ("cat/.ipynb_checkpoints/1-checkpoint.jpg", "cat/@eaDir/1.jpg/S.jpg")
  put(tmp_path, *litter, "@eaDir/1.jpg", "dog/._1.jpg", "__MACOSX/dog/1.jpg")
  put(tmp_path, "cat/1.heic", "cat/2.HEIC", "dog/README", "beside.jpg")
  source = ImageFolder(tmp_path)
  assert source.class_names == ("cat", "dog")
  assert names(source) == ["cat/1.jpg", "dog/1.jpg", "dog/in/2.jpg"]
  assert len(ImageFolder(tmp_path)) == 3
  (logged,) = caplog.messages  # once, though two sources have walked
  assert logged == (
    f"{tmp_path}: left out 5 hidden, 2 .heic, 1 beside the class folders, "
    "1 without suffix"
  )


def test_links_are_read_once_and_never_lead_back(tmp_path):
  put(tmp_path, "data/cat/1.jpg", "data/dog/1.jpg", "pool/owl/1.jpg")
  data = tmp_path / "data"
  (data / "cat" / "loop").symlink_to("..")  # would label dogs as cats
  (data / "cat" / "self").symlink_to(".")
  (data / "cat" / "dogs").symlink_to("../dog")
  (data / "katze").symlink_to("cat")
  (data / "owl").symlink_to("../pool/owl")  # is data that lies elsewhere
  (tmp_path / "pool" / "owl" / "again").symlink_to("../owl")
  (data / "owl" / "more").symlink_to("../more")
  put(tmp_path, "pool/more/2.jpg")
  (tmp_path / "pool" / "more" / "back").symlink_to("../owl")
  (tmp_path / "link").symlink_to("data")
  for folder in (data, tmp_path / "link"):
    source = ImageFolder(folder)
    assert source.class_names == ("cat", "dog", "owl")
    assert names(source)[:2] == ["cat/1.jpg", "dog/1.jpg"]
    assert sorted({p.name for p in source.files[2:]}) == ["1.jpg", "2.jpg"]
  assert (
    find_images(data / "cat", root=data).left_out["links back into the data"]
    == 3
  )


def test_a_dangling_link_is_a_bad_image_that_may_be_skipped(tmp_path):
  put(tmp_path, "cat/1.jpg", "dog/1.jpg")
  (tmp_path / "cat" / "0.jpg").symlink_to("gone.jpg")
  source = ImageFolder(tmp_path)
  assert len(source) == 3 and source.fingerprint()
  loader = Loader(source, [decode()], 3, on_bad_image="skip")
  assert next(loader.epoch())["mask"].tolist() == [0, 1, 1]
  assert loader.skipped == 1
  with pytest.raises(BadImage, match=r"cat/0\.jpg: cannot be read \(No such"):
    next(Loader(source, [decode()], 3).epoch())
  with pytest.raises(BadImage, match="cannot be read"):
    read_image(tmp_path / "cat")


def test_names_are_one_however_an_accent_is_written(tmp_path):
  nfc, nfd = (unicodedata.normalize(form, "caffè") for form in ("NFC", "NFD"))
  put(tmp_path, f"train/{nfd}/1.jpg", "train/tè/1.jpg", f"masks/{nfc}.png")
  source = ImageFolder(tmp_path / "train", (nfc, "tè"))
  assert (
    source.class_names
    == (nfc, "tè")
    == ImageFolder(tmp_path / "train", (nfd, "tè")).class_names
  )
  assert len(source) == 2
  put(tmp_path, f"images/{nfd}.jpg")
  assert len(MaskFolder(tmp_path / "images", tmp_path / "masks")) == 1
  put(tmp_path, f"train/{nfc}/2.jpg")
  with pytest.raises(DataError, match="twice, spelled with other Unicode"):
    len(ImageFolder(tmp_path / "train"))


FORMATS = {
  ".jpe": "JPEG",
  ".jfif": "JPEG",
  ".jp2": "JPEG2000",
  ".dib": "DIB",
  ".avif": "AVIF",
  ".tga": "TGA",
  ".pbm": "PPM",
  ".tiff": "TIFF",
}


def npy(pixels):
  file = io.BytesIO()
  np.save(file, pixels)
  return file.getvalue()


@pytest.mark.parametrize("suffix", sorted(SUFFIXES))
def test_every_suffix_that_is_listed_can_be_decoded(tmp_path, suffix):
  kinds = Image.registered_extensions() | FORMATS
  path = tmp_path / f"a{suffix.upper()}"
  image = Image.fromarray(np.full((20, 24, 3), 200, np.uint8))
  image = image.convert("1") if suffix == ".pbm" else image
  if suffix == ".npy":
    path.write_bytes(npy(np.asarray(image)))
  else:
    image.save(path, kinds[suffix])
  assert ImageList(tmp_path).files == [path]
  pixels = decode_image(path.read_bytes(), 3, str(path))
  assert pixels.shape == (20, 24, 3)
  assert abs(int(pixels.mean()) - 200) < 4 or suffix in (".pbm", ".gif")


@pytest.mark.parametrize(
  ("tree", "splits"),
  [
    (("cat/1.jpg", "dog/1.jpg"), {"train": ""}),
    (
      ("Train/cat/1.jpg", "valid/cat/1.jpg", "TEST/cat/1.jpg", "docs/a.txt"),
      {"train": "Train", "val": "valid", "test": "TEST"},
    ),
    (
      ("training/cat/1.jpg", "validation/cat/1.jpg"),
      {"train": "training", "val": "validation"},
    ),
    # Classes that are called like splits.
    (("car/1.jpg", "train/1.jpg", "test/2.jpg"), {"train": ""}),
    # A test split without truth is no class.
    (("train/cat/1.jpg", "test/1.jpg"), {"train": "train"}),
  ],
)
def test_splits_are_found_by_their_names_and_content(tmp_path, tree, splits):
  put(tmp_path, *tree)
  found = split_folders(tmp_path)
  assert found == {name: tmp_path / path for name, path in splits.items()}


@pytest.mark.parametrize(
  ("tree", "message"),
  [
    (("val/cat/1.jpg", "test/cat/1.jpg"), "has no folder train"),
    (("train/1.jpg", "test/1.jpg"), "has no folder train with the class"),
    (
      ("train/a/1.jpg", "val/a/1.jpg", "Valid/a/1.jpg"),
      "has Valid, train, val; expected one folder for each",
    ),
    (("train/a/1.jpg", "cat/1.jpg"), "has train with .* beside them cat with"),
  ],
)
def test_splits_that_cannot_be_told_are_an_error(tmp_path, tree, message):
  put(tmp_path, *tree)
  with pytest.raises(DataError, match=message):
    split_folders(tmp_path)


def test_a_folder_that_may_not_be_read_is_an_error(tmp_path, monkeypatch):
  put(tmp_path, "cat/1.jpg")

  def refuse(path):
    raise PermissionError(13, "Permission denied", path)

  monkeypatch.setattr(os, "scandir", refuse)  # root may read everything
  with pytest.raises(DataError, match=r"cannot be read \(Permission denied\)"):
    find_images(tmp_path)


def test_messages_stay_short_whatever_the_number_of_classes(tmp_path):
  put(tmp_path, *(f"{i:04}/1.jpg" for i in range(300)))
  given = tuple(f"class {i}" for i in range(3000))
  with pytest.raises(DataError, match=r"\(3000 in all\)") as caught:
    len(ImageFolder(tmp_path, given))
  assert len(str(caught.value)) < 1000
  with pytest.raises(DataError, match="each once"):
    len(ImageFolder(tmp_path, ("a", "a")))
