"""The table of concepts: every command, test and number of it is there."""

import importlib.util
import re
import shlex

import pytest

from benchmarks import concept, environment, lines
from benchmarks.concept import Concept
from benchmarks.report import concepts, pages, recipes
from benchmarks.suite import SUITES, row_named
from vision_jax.command import flags
from vision_jax.errors import UserError
from vision_jax.recipe import recipe

ROOT = environment.ROOT
EVERY = [one for part in concept.every().values() for one in part]
each = pytest.mark.parametrize("one", EVERY, ids=lambda one: one.name)


def parsed(words):
  """Reads a command of vision_jax.main, and the config that it names."""
  if not any(word.startswith(("--workdir", "--mode=")) for word in words):
    words = [*words, "--workdir=out"]
  mode = flags.parse(words)
  if path := getattr(mode, "config", None):
    recipe.load(path, mode.overrides, resolve=False)


def parts_of(module):
  """Returns the text of a module, or of a package's files."""
  path = ROOT / module.replace(".", "/")
  files = path.glob("*.py") if path.is_dir() else [path.with_suffix(".py")]
  return "".join(file.read_text() for file in files)


@each
def test_command_exists(one, monkeypatch):
  monkeypatch.chdir(ROOT)
  words = shlex.split(one.called)
  if words[0].startswith("-"):
    parsed(words)
    return
  module, *options = words
  assert importlib.util.find_spec(module)
  text = parts_of(module)
  assert "def main(" in text
  for word in options:
    name, _, value = word.partition("=")
    assert f'"{name}"' in text
    assert not value.startswith("configs/") or (ROOT / value).is_file()


@each
def test_each_of_its_numbers_stands_in_a_test_or_is_a_rows(one):
  """And its source says what it is, and its tests are there."""
  assert 0 < len(one.what) < 200
  texts = [concept.test_source(test) for test in one.each_test]
  if one.row:
    row_named(one.row)
    return
  there = {number for text in texts for number in concept.numbers(text)}
  assert {*concept.numbers(one.number)} <= there
  assert concept.numbers(one.number)


def test_names_are_all_different():
  assert len({one.name for one in EVERY}) == len(EVERY) > 60


def test_the_page_is_of_the_table_and_the_committed_results():
  """`python -m benchmarks.report --write` writes it."""
  page = (ROOT / concepts.PAGE).read_text("utf-8")
  assert page == concepts.page(pages.newest(lines.read(pages.RESULTS)))
  for link in re.findall(r"\]\(((?!https?:|#)[^)]*)\)", page):
    assert (ROOT / "configs" / link).is_file(), link


def test_every_config_is_a_recipe_with_its_numbers():
  page = recipes.section({})
  every = [x for paths in recipes.configs().values() for x in paths]
  assert len(every) > 60
  for path in every:
    assert f"]({path.removeprefix('configs/')}): " in page
  for rows in SUITES.values():  # of a plain one the config is the line
    assert all(x.name in page or rows_lead(x) for x in rows)
  # As published: ResNet-50, ViT-S/16, LeNet-5 of 32 x 32.
  counted = recipes.parameters()
  for name, number in [
    ("imagenet_resnet50", 25_557_032),
    ("imagenet_vit_s16", 22_122_472),
    ("mnist_lenet", 61_706),
  ]:
    assert counted[f"configs/classification/{name}.py"] == number


def rows_lead(row):
  return recipes.rows_of(row.config)[0] is row


def test_a_recipes_line_has_what_was_measured():
  known = {
    x.row.name: x for x in pages.newest(lines.read(pages.RESULTS)) if x.values
  }
  page = recipes.section(known)
  (line,) = [
    x for x in page.splitlines() if "(classification/mnist_cnn.py)" in x
  ]
  cells = [x.strip() for x in line.strip("|").split("|")]
  found = dict(zip(recipes.COLUMNS, cells, strict=True))
  assert found["data"] == "mnist" and found["on"] == "1 core of AMD EPYC"
  assert found["result"] == "99.53 ± 0.02, not comparable"
  assert found["reference"].startswith("[99.17](https://github.com/google/flax")
  assert found["FLOPs a step"] == "3.13 G" and found["a seed takes"] == "3 min"
  assert found["command"] == "`--config=configs/classification/mnist_cnn.py`"


def test_numbers_of_a_text():
  text = "256, 1_728 or 1,792; 2.5 x 1e-5 at conv2, 3x3 and 0."
  assert concept.numbers(text) == ["256", "1728", "1792", "2.5", "1e-5", "0"]


@pytest.mark.parametrize(
  ("change", "message"),
  [
    ({"number": ""}, "got the row '' and the number ''; expected one of both"),
    ({"row": "mnist_cnn"}, "'mnist_cnn' and the number '3'; expected one"),
    ({"command": ""}, "got neither command nor row"),
  ],
)
def test_a_line_that_lacks_something_is_refused(change, message):
  line = {"name": "a", "source": "vision_jax.main", "tests": "", "number": "3"}
  with pytest.raises(UserError, match=message):
    Concept(**line | {"command": "--mode=show"} | change)


def test_what_is_not_there_is_refused():
  file = "tests/test_arithmetic.py"
  with pytest.raises(UserError, match="has no test_of_owls; expected a test"):
    concept.test_source(f"{file}::test_of_owls")
  with pytest.raises(UserError, match=r"there is no file tests/owls\.py"):
    concept.test_source("tests/owls.py::test_a")
  for source in ("vision_jax.layers.conv:Owl", "vision_jax.owls"):
    given = {"command": "--mode=show", "number": "1"}
    with pytest.raises(UserError, match=r"no docstring|there is no file"):
      print(Concept("owl", source, f"{file}::test_a", **given).what)
