"""Every key of every config has a meaning, and the pages have them all."""

import re

import pytest

from benchmarks import choices, docstrings, environment, keys, lines
from benchmarks.report import choosing, pages, recipes
from benchmarks.report import keys as key_page
from vision_jax.errors import UserError

ROOT = environment.ROOT
RESULTS = pages.newest(lines.read(pages.RESULTS))
DOCSTRING = """Does something.

  width, depth: of the net; 0 is none. rate: of learning, see `one_cycle`.
  Nothing else: this is no key.

  Args:
    crop: (smallest, largest) area, which
      takes two lines: here.
    mean, std: of pixels.

  Raises:
    UserError: for another.
"""


def test_the_pages_of_the_configs_are_what_they_say():
  """`python -m benchmarks.report --write` writes them."""
  known = {x.row.name: x for x in RESULTS if x.values and not x.changed}
  made = {choosing.PAGE: choosing.page(known), key_page.PAGE: key_page.page()}
  for place, page in made.items():
    text = (ROOT / place).read_text("utf-8")
    assert text == page
    for link in re.findall(r"\]\(((?!https?:|#)[^)]*)\)", text):
      assert (ROOT / "configs" / link).is_file(), link


def test_a_docstring_tells_of_keys_and_of_arguments():
  assert docstrings.stated(DOCSTRING) == {
    **dict.fromkeys(("width", "depth"), "of the net; 0 is none"),
    "rate": "of learning, see `one_cycle`. Nothing else: this is no key",
  }

  def thing():
    pass

  thing.__doc__ = DOCSTRING
  assert docstrings.lines_of(thing) == {
    "crop": "(smallest, largest) area, which takes two lines: here",
    **dict.fromkeys(("mean", "std"), "of pixels"),
  }


def test_meanings_come_from_where_they_are_written():
  path = "configs/segmentation/folder_unet.py"
  found = keys.keys_of(path)
  files = {
    key: x.file.removeprefix("vision_jax/") for key, x in found.meanings.items()
  }
  assert files["seed"] == "experiment.py"  # of what every config is made with
  assert files["crop"] == "pipelines/values.py"  # of what this one is
  assert files["lr"] == "pipelines/values.py"  # of names that all use alike
  assert files["class_names"] == "pipelines/sources/masks.py"  # by "see"
  assert files["augment.crop"] == "pipelines/augmentation.py"
  assert files["width"] == "models/segmentation/unet.py"  # by what it is given
  assert found.meanings["crop"] != found.meanings["augment.crop"]
  own = keys.keys_of("configs/classification/mnist_table.py").meanings
  assert own["distort"].file == "configs/classification/mnist_table.py"


def test_a_key_that_nothing_tells_of_is_an_error(monkeypatch):
  path = "configs/classification/mnist_table.py"
  whole = keys.keys_of(path)
  less = {k: x for k, x in whole.meanings.items() if k != "distort"}
  lacking = whole._replace(meanings=less)
  monkeypatch.setattr(recipes, "configs", lambda: {"classification": [path]})
  monkeypatch.setattr(keys, "keys_of", lambda path: lacking)
  with pytest.raises(UserError, match=rf"{path}: distort: no docstring says"):
    key_page.page()


def test_every_choice_is_a_config_and_every_config_is_a_choice():
  every = {x for some in recipes.configs().values() for x in some}
  named = [f"configs/{x.config}.py" for x in choices.CHOICES]
  assert len(named) == len({*named}) and {*named} <= every
  page = choosing.page({})
  assert "a probe was right on (not run here) %" in page
  for path in every:
    assert page.count(f"]({path.removeprefix('configs/')})") == 1, path
