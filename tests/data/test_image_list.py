"""The images that --images names: a file, a folder, a pattern, a list."""

import os
import pathlib

import numpy as np
import pytest

from tests.data_fixtures import encode, random_image
from vision_jax.data.errors import DataError
from vision_jax.data.sources.image_list import ImageList

PIXELS = encode(random_image(8, 8))


@pytest.fixture
def folder(tmp_path):
  root = tmp_path / "in"
  names = ("b.jpg", "a.PNG", "x/c.jpg", "x/y/d.jpg", "x/.hidden.jpg", "[1].jpg")
  for name in (*names, "x/notes.md"):
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_bytes(PIXELS)
  return root


def names(images, root):
  """The files' places in a folder, in their order."""
  return [os.path.relpath(file, root) for file in ImageList(images).files]


@pytest.mark.parametrize(
  ("images", "expected"),
  [
    ("b.jpg", ["b.jpg"]),
    ("", ["[1].jpg", "a.PNG", "b.jpg", "x/c.jpg", "x/y/d.jpg"]),
    ("x", ["x/c.jpg", "x/y/d.jpg"]),
    ("*.jpg", ["[1].jpg", "b.jpg"]),
    ("x/*", ["x/c.jpg"]),
    ("**/*.jpg", ["[1].jpg", "b.jpg", "x/c.jpg", "x/y/d.jpg"]),
    ("[ab].*", ["a.PNG", "b.jpg"]),
    ("[1].jpg", ["[1].jpg"]),  # what exists is no pattern
    ("x/../*.PNG", ["a.PNG"]),
  ],
)
def test_what_is_named_is_found_sorted(folder, images, expected):
  assert names(folder / images, folder) == expected
  source = ImageList(folder / images)
  # Where the results' names are relative to, nothing leads out of.
  inside = [f.relative_to(source.folder).as_posix() for f in source.files]
  assert not any(".." in name for name in inside)
  (row,) = source.read(np.array([0]))
  assert row == {"image": PIXELS, "name": str(source.files[0])}
  assert source.fingerprint() == ImageList(folder / images).fingerprint()


def test_a_list_keeps_its_order(folder, tmp_path):
  other = tmp_path / "lists" / "some.txt"
  other.parent.mkdir()
  lines = ["../in/x/c.jpg", "", str(folder / "b.jpg"), "../in/a.PNG  "]
  other.write_text("\ufeff" + "\r\n".join(lines), encoding="utf-8")
  assert names(other, folder) == ["x/c.jpg", "b.jpg", "a.PNG"]
  assert ImageList(other).folder == folder.resolve()


@pytest.mark.parametrize(
  ("images", "message"),
  [
    ("none", r"none does not exist; expected an image, a folder with images, "),
    ("*.gif", r"pattern .*\*\.gif matches nothing; expected"),
    ("x/n*", r"matches 1 files and folders, none of which is an image; exp"),
    ("empty", r"folder .*empty has no images; expected at least one of"),
    ("x/notes.md", r"notes\.md is a file of another kind; expected an image"),
    ("no.txt", r"list .*no\.txt is empty; expected the path of an image a li"),
    ("gone.txt", r"line 2 of the list .* names gone\.jpg, which is no file; "),
    ("kind.txt", r"line 1 of .* names x/notes\.md, which is none of \.avif"),
    ("folder.txt", r"line 1 of the list .* names x, which is no file"),
    ("twice.txt", r"lines 1 and 3 of the list .* both name \./b\.jpg; expect"),
    ("latin.txt", r"list .*latin\.txt cannot be read .*, as UTF-8"),
  ],
)
def test_what_cannot_be_is_named(folder, images, message):
  lists = {
    "no": b" \n",
    "gone": b"b.jpg\ngone.jpg\n",
    "kind": b"x/notes.md",
    "folder": b"x",
    "twice": b"b.jpg\na.PNG\n./b.jpg",
    "latin": "käse.jpg".encode("latin-1"),
  }
  for name, content in lists.items():
    (folder / f"{name}.txt").write_bytes(content)
  (folder / "empty").mkdir()
  with pytest.raises(DataError, match=message):
    len(ImageList(folder / images))


def test_a_relative_path_is_of_the_working_folder(folder, monkeypatch):
  monkeypatch.chdir(folder)
  assert ImageList("b.jpg").files == [pathlib.Path(folder, "b.jpg")]
