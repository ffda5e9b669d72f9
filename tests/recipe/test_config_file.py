"""Config files as modules: where they are found, run, and completed."""

import dataclasses
import pickle
import sys

import ml_collections
import numpy as np
import pytest
from etils import epath

from tests.programs.command import ROOT
from vision_jax.errors import UserError
from vision_jax.experiment import base_config
from vision_jax.recipe import places, recipe, resume
from vision_jax.recipe.saved import saved_config

OURS = "configs/classification/digits_cnn.py"
BUILD = "def build(config): ...\n"


def load(tmp_path, text):
  file = tmp_path / "mine.py"
  file.write_text(text + BUILD)
  return recipe.load(str(file))


def test_a_config_may_hold_dataclasses_with_postponed_annotations(tmp_path):
  module = load(
    tmp_path,
    "from __future__ import annotations\n"
    "import dataclasses\n"
    "@dataclasses.dataclass\n"
    "class Net:\n"
    "  width: int | None = 3\n"
    "  _: dataclasses.KW_ONLY\n"
    "  deep: bool = False\n"
    "def get_config(): return dict(steps=1, batch_size=1)\n",
  ).module
  assert [f.name for f in dataclasses.fields(module.Net)] == ["width", "deep"]
  assert pickle.loads(pickle.dumps(module.Net(4))) == module.Net(4)


def test_a_config_that_fails_leaves_no_module(tmp_path):
  before = set(sys.modules)
  with pytest.raises(ZeroDivisionError):
    load(tmp_path, "1 / 0\n")
  assert set(sys.modules) == before


@pytest.mark.parametrize("make", ["dict", "ml_collections.ConfigDict"])
def test_a_config_says_what_is_its_own(tmp_path, make):
  own = {"steps": 7, "batch_size": 2, "seed": 5, "net": {"width": 3}}
  config = load(
    tmp_path,
    f"import ml_collections\ndef get_config(): return {make}({own!r})\n",
  ).config
  assert isinstance(config, ml_collections.ConfigDict)
  defaults = dict(base_config(steps=1, batch_size=1))
  assert config.to_dict() == defaults | own
  assert config.net.width == 3 and config.log_every == defaults["log_every"]


@pytest.mark.parametrize(
  ("given", "message"),
  [
    ("dict(batch_size=2)", "gives no steps, which have no default"),
    ("{}", "gives no steps and no batch_size, which"),
    ("None", "returns NoneType; expected a dict or a ConfigDict. Is a `ret"),
  ],
)
def test_a_config_says_how_long_and_on_how_many(tmp_path, given, message):
  with pytest.raises(UserError, match=message):
    load(tmp_path, f"def get_config(): return {given}\n")


@pytest.mark.parametrize(
  ("name", "parts"),
  [
    ("a/b.py", ("a/b.py", "full")),
    ("a/b.py:tiny", ("a/b.py", "tiny")),
    ("a:b/c.py", ("a:b/c.py", "full")),
    ("/a:b/c.py:tiny", ("/a:b/c.py", "tiny")),
    ("c.py:", ("c.py", "full")),
  ],
)
def test_a_folder_may_have_a_colon(name, parts):
  assert places.split(name) == parts


def test_the_working_folder_goes_first_and_is_logged(tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  assert places.look(OURS) == ROOT / OURS and not places.passed_over(OURS)
  theirs = tmp_path / OURS
  theirs.parent.mkdir(parents=True)
  theirs.write_text("")
  assert places.look(OURS) == theirs
  note = f"{OURS} is {theirs}, of the working folder; the package's own is "
  assert note + f"{ROOT / OURS}." in places.passed_over(f"{OURS}:tiny")
  assert places.installed(OURS) == ROOT / OURS
  monkeypatch.chdir(ROOT)
  assert places.passed_over(OURS) is None


def test_only_configs_are_looked_for_in_the_package(tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  assert places.look("setup.py") is None
  assert places.look("configs/../setup.py") is None


def test_a_run_of_ours_stays_ours_in_another_folder(tmp_path, monkeypatch):
  workdir = epath.Path(tmp_path / "run")
  workdir.mkdir()
  batch = {"image": np.zeros((4, 8, 8, 1)), "mask": np.ones(4)}
  for name, text in recipe.load(f"{OURS}:tiny").files(batch).items():
    (workdir / name).write_text(text)
  theirs = tmp_path / OURS
  theirs.parent.mkdir(parents=True)
  theirs.write_text("theirs")
  monkeypatch.chdir(tmp_path)
  logged = []
  assert recipe.load_workdir(workdir, logged.append)[0].path == OURS
  assert not logged and not resume.same_file(
    f"{OURS}:tiny", saved_config(workdir)
  )
