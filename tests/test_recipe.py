"""Config files: loaded, overridden, kept in a workdir, compared."""

import json
import textwrap

import numpy as np
import pytest
from etils import epath

from tests.programs.command import BLOBS, ROOT
from vision_jax import recipe

SOURCE = '''
  """A config."""
  import ml_collections

  VARIANTS = ("wide",)

  def get_config(variant="full"):
    return ml_collections.ConfigDict({
      "steps": 10, "lr": 0.5, "name": "x", "flag": True, "sizes": (1, 2),
      "nothing": None, "variant": variant, "names": (),
      "optimizer": {"momentum": 0.9, "nested": {"deep": 1}},
    })

  def resolve(config):
    config.names = ("a", config.name)

  def build(config, axis=None):
    return config, axis
'''
BATCH = {"image": np.zeros((4, 8, 8, 3), np.float32)}


@pytest.fixture
def file(tmp_path):
  """A config file."""
  path = tmp_path / "small.py"
  path.write_text(textwrap.dedent(SOURCE))
  return path


def save(file, workdir, overrides=None):
  """Writes what a run keeps of a config."""
  loaded = recipe.load(str(file), overrides)
  workdir.mkdir()
  for name, text in loaded.files(BATCH).items():
    (workdir / name).write_text(text)
  return loaded


@pytest.mark.parametrize(
  ("key", "text", "value"),
  [
    ("steps", "12", 12),
    ("lr", "1e-3", 1e-3),
    ("lr", "2", 2.0),
    ("name", "5", "5"),
    ("flag", "False", False),
    ("flag", "1", True),
    ("sizes", "(3, 4)", (3, 4)),
    ("sizes", "3,4,5", (3, 4, 5)),
    ("sizes", "3", (3,)),
    ("nothing", "some", "some"),
    ("optimizer.momentum", "0.5", 0.5),
    ("optimizer.nested.deep", "7", 7),
  ],
)
def test_a_value_keeps_its_type(file, key, text, value):
  config = recipe.load(str(file), {key: text}).config
  for part in key.split("."):
    config = config[part]
  assert config == value and type(config) is type(value)


@pytest.mark.parametrize(
  ("key", "text", "message"),
  [
    ("stpes", "1", r"--config\.stpes: no such key; did you mean .*\.steps\?"),
    ("optimizer.momentm", "1", r"did you mean --config\.optimizer\.momentum"),
    ("optimizer", "1", "no such key; did you mean"),
    ("steps", "1.5", "got '1.5'; expected a value of type int, like 10"),
    ("lr", "fast", "got 'fast'; expected a value of type float, like 0.5"),
    ("flag", "yes", "got 'yes'; expected a value of type bool, like True"),
    ("sizes", "[1", "expected a value of type tuple"),
  ],
)
def test_a_value_that_does_not_fit(file, key, text, message):
  with pytest.raises(ValueError, match=message):
    recipe.load(str(file), {key: text})


def test_variants(file):
  assert recipe.load(str(file)).config.variant == "full"
  for variant in ("tiny", "wide"):
    assert recipe.load(f"{file}:{variant}").config.variant == variant
  with pytest.raises(ValueError, match="'big'; expected full, tiny, wide"):
    recipe.load(f"{file}:big")


def test_a_config_is_built_for_an_axis(file):
  loaded = recipe.load(str(file))
  assert loaded.build("batch") == (loaded.config, "batch")


def test_what_the_data_say_is_filled_in(file):
  assert recipe.load(str(file), {"name": "b"}).config.names == ("a", "b")


def test_a_workdir_gives_back_what_was_saved(file, tmp_path):
  workdir = tmp_path / "run"
  saved = save(file, workdir, {"lr": "0.25", "sizes": "7,8"})
  said = []
  loaded, batch = recipe.load_workdir(epath.Path(workdir), said.append)
  assert loaded.config.to_dict() == saved.config.to_dict()
  assert loaded.config.sizes == (7, 8)
  assert loaded.config.names == ("a", "x")
  assert batch["image"].shape == (4, 8, 8, 3)
  assert batch["image"].dtype == np.float32
  assert said == []


def test_an_edited_file_is_not_used(file, tmp_path):
  workdir = tmp_path / "run"
  save(file, workdir)
  file.write_text("broken (")
  said = []
  loaded, _ = recipe.load_workdir(epath.Path(workdir), said.append)
  assert loaded.config.steps == 10
  assert said == [f"{file} has changed since: using the copy in {workdir}."]


def test_runs_of_one_config_are_the_same(file, tmp_path):
  workdir = tmp_path / "run"
  save(file, workdir)
  saved = recipe.saved_config(epath.Path(workdir))
  recipe.check_same(recipe.load(str(file)), saved)
  recipe.check_same(recipe.load(str(file), {"steps": "99"}), saved)
  changed = {"lr": "1", "optimizer.nested.deep": "2", "sizes": "1,3"}
  with pytest.raises(ValueError) as error:
    recipe.check_same(recipe.load(str(file), changed), saved)
  message = str(error.value)
  assert "lr: 0.5 in the workdir, 1.0 now" in message
  assert "optimizer.nested.deep: 1 in the workdir, 2 now" in message
  assert "sizes: [1, 2] in the workdir, [1, 3] now" in message
  assert "momentum" not in message


def test_another_file_is_another_config(file, tmp_path):
  workdir = tmp_path / "run"
  save(file, workdir)
  saved = recipe.saved_config(epath.Path(workdir))
  other = tmp_path / "other.py"
  other.write_text(file.read_text())
  recipe.check_same(recipe.load(str(other)), saved)  # the very same text
  other.write_text(file.read_text() + "\nMORE = 1\n")
  with pytest.raises(ValueError, match=rf"file: {file} in .*, {other} now"):
    recipe.check_same(recipe.load(str(other)), saved)
  assert recipe.same_file(str(file), saved)
  assert not recipe.same_file(str(other), saved)
  assert not recipe.same_file(f"{file}:tiny", saved)


def test_a_damaged_config_is_named(tmp_path):
  (tmp_path / "config.json").write_text('{"path": ')
  with pytest.raises(ValueError, match=r"config\.json is damaged \("):
    recipe.saved_config(epath.Path(tmp_path))


def test_an_installed_config_is_found_from_anywhere(monkeypatch, tmp_path):
  monkeypatch.chdir(tmp_path)
  assert recipe.load("configs/classification/digits_cnn.py").config.steps > 100


def test_a_missing_config_names_the_nearest():
  with pytest.raises(ValueError, match="did you mean configs/classification/"):
    recipe.load("configs/clasification/mnist_cnn.py")


def test_a_file_that_is_no_config(tmp_path):
  (tmp_path / "x.py").write_text("def get_config(variant): ...\n")
  with pytest.raises(ValueError, match="has no function build; expected"):
    recipe.load(str(tmp_path / "x.py"))


def test_json_keeps_every_value():
  loaded = recipe.load(str(ROOT / BLOBS))
  content = json.loads(loaded.files(BATCH)["config.json"])
  assert content["values"]["names"] == ["a", "b"]
  assert content["values"].keys() == loaded.config.to_dict().keys()
