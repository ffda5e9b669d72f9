"""Config files: loaded, overridden, kept in a workdir, compared."""

import json
import textwrap

import numpy as np
import pytest
from etils import epath

from tests.programs.command import BLOBS, ROOT, call
from vision_jax.errors import UserError
from vision_jax.recipe import automatic, recipe, resume, trust
from vision_jax.recipe.saved import saved_config
from vision_jax.recipe.show import origins

SOURCE = '''
  """A config."""
  from vision_jax.experiment import Experiment, base_config

  VARIANTS = {
    "tiny": {"variant": "tiny", "sizes": (), "lr": 1},
    "wide": {"variant": "wide", "sizes": (3, 4, 5), "optimizer": {"nested":
      {"deep": 3}}},
  }

  def get_config():
    return base_config(
      steps=10, batch_size=4, lr=0.5, name="x", flag=True, sizes=(1, 2),
      nothing=None, variant="full", names=(), class_names=(),
      splits=("train", "val", "test"),
      optimizer={"momentum": 0.9, "nested": {"deep": 1}},
    )

  def resolve(config):
    config.names = ("a", config.name)

  def build(config):
    return Experiment(task=config, optimizers={}, train_data=None, evals={})
'''
BATCH = {
  "image": np.zeros((4, 8, 8, 3), np.float32),
  "mask": np.ones(4, np.float32),
}
OURS = "configs/classification/digits_cnn.py"


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
  trust.remember(loaded.source)  # as training does
  return loaded


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
  """A user who has trained nothing yet."""
  folder = tmp_path_factory.mktemp("cache")
  monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
  return folder


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
    ("splits", "train,val,", ("train", "val", "")),
    ("splits", "('train', 'val', '')", ("train", "val", "")),
    ("class_names", "cat,guide dog", ("cat", "guide dog")),
    ("class_names", "()", ()),
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


def test_a_variant_changes_the_values_it_names(file):
  full, tiny, wide = (
    recipe.load(f"{file}:{v}").config for v in ("full", "tiny", "wide")
  )
  assert full.steps == tiny.steps == wide.steps == 10
  assert (tiny.lr, type(tiny.lr)) == (1.0, float)
  assert (tiny.sizes, full.sizes, wide.sizes) == ((), (1, 2), (3, 4, 5))
  assert wide.optimizer.to_dict() == {"momentum": 0.9, "nested": {"deep": 3}}
  assert (full.batch_size, full.flag) == (wide.batch_size, wide.flag)


@pytest.mark.parametrize(
  ("change", "message"),
  [
    ("stpes=2", r"VARIANTS\['tiny'\] of .*: stpes: .*did you mean steps\?"),
    ("optimizer={'momentm': 1.0}", r"did you mean optimizer\.momentum\?"),
    ("optimizer=3", "optimizer: get_config has no such key"),
    ("steps=2.0", "steps: got 2.0; expected a value of type int, like 10"),
    ("steps=True", "steps: got True; expected a value of type int"),
    ("flag=1", "flag: got 1; expected a value of type bool, like True"),
    ("name=None", "name: got None; expected a value of type str"),
    ("sizes=3", r"sizes: got 3; expected a value of type tuple"),
    ("sizes=[3]", r"sizes: got \[3\]; expected a value of type tuple"),
    ("sizes=('a',)", r"sizes: got \('a',\); expected .*like \(1, 2\)"),
    ("lr=-1.0", r"lr: got -1.0; expected 0 or more"),
  ],
)
def test_a_variant_that_does_not_fit(file, change, message):
  with file.open("a") as more:
    more.write(f"VARIANTS['tiny'] = dict({change})\n")
  assert recipe.load(str(file)).config.steps == 10
  with pytest.raises(UserError, match=message):
    recipe.load(f"{file}:tiny")


@pytest.mark.parametrize(
  ("more", "message"),
  [
    ("VARIANTS = ('tiny',)", r"VARIANTS of .* is \('tiny',\); expected what"),
    ("VARIANTS = {'tiny': 20}", "VARIANTS of .*; expected what each variant"),
    ("def get_config(variant): ...", "called without arguments .*'variant'"),
  ],
)
def test_variants_that_are_no_diffs(file, more, message):
  with file.open("a") as text:
    text.write(more + "\n")
  with pytest.raises(UserError, match=message):
    recipe.load(f"{file}:tiny")


def test_show_prints_what_gave_each_value(file, tmp_path):
  result = call("--mode=show", f"--config={file}:wide", "--config.lr=0.1")
  assert result.code == 0, result.err
  origin_of = dict(line.split("  # ") for line in result.out.splitlines())
  origin_of = {key.strip(): origin for key, origin in origin_of.items()}
  assert (
    origin_of["sizes = (3, 4, 5)"] == origin_of["optimizer.nested.deep = 3"]
  )
  assert origin_of["sizes = (3, 4, 5)"] == f"{file}:wide"
  assert origin_of["lr = 0.1"] == "--config.lr"
  assert origin_of["steps = 10"] == str(file)
  assert origin_of["seed = 0"] == "vision_jax/experiment.py"
  assert origin_of["names = ('a', 'x')"] == f"{file} (resolve)"
  workdir = tmp_path / "run"
  save(file, workdir, {"lr": "0.25"})
  result = call("--mode=show", f"--workdir={workdir}")
  assert f"  # {workdir}/config.json" in next(
    line for line in result.out.splitlines() if line.startswith("lr = 0.25 ")
  )


def test_defaults_of_a_kind_of_task_are_named_as_those():
  path = "configs/segmentation/folder_unet.py"
  overrides = {"augment.noise": "0.05"}
  loaded = recipe.load(f"{path}:tiny", overrides)
  origin_of = origins(loaded, overrides)
  assert origin_of["mask_values"] == "vision_jax/pipelines/values.py"
  assert origin_of["seed"] == "vision_jax/experiment.py"
  assert origin_of["width"] == origin_of["crop"] == f"{path}:tiny"
  assert origin_of["augment.rotation"] == origin_of["batch_size"] == path
  assert origin_of["augment.noise"] == "--config.augment.noise"


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


@pytest.mark.parametrize(
  ("overrides", "warmup", "given"),
  [
    ({}, 100, False),  # as the file has it
    ({"steps": "500"}, 50, True),
    ({"steps": "2"}, 0, True),
    ({"steps": "5000"}, 100, False),
    ({"steps": "500", "warmup": "100"}, 100, False),
  ],
)
def test_a_shorter_run_has_a_shorter_warmup(tmp_path, overrides, warmup, given):
  path = tmp_path / "warm.py"
  path.write_text(
    textwrap.dedent(SOURCE).replace("steps=10,", "steps=900, warmup=100,")
  )
  lines = []
  begin = lambda workdir, overrides: resume.begin_or_resume(
    workdir, str(path), overrides, lines.append, trusted=True
  )
  begun = begin(None, overrides)
  assert begun.config.warmup == warmup
  assert len(lines) == given
  for line in lines:
    assert f"100 steps are shortened to {warmup}, a tenth of steps=" in line
  begun.keep(epath.Path(tmp_path), BATCH, start=0, log=print)
  assert begin(tmp_path, overrides).config.warmup == warmup
  assert begin(tmp_path, {"steps": "9000"}).config.warmup == warmup


def test_the_variant_of_a_cpu_is_chosen_and_kept(tmp_path, monkeypatch):
  path, lines = tmp_path / "own.py", []
  path.write_text(textwrap.dedent(SOURCE) + "ON_CPU = 'tiny'\n")

  def begin(workdir, name, cpu):
    monkeypatch.setattr(automatic.tuning, "on_cpu", lambda: cpu)
    lines.clear()
    return resume.begin_or_resume(workdir, name, {}, lines.append, trusted=True)

  assert begin(None, f"{path}:wide", True).variant == "wide" and not lines
  assert begin(None, f"{path}:full", True).variant == "full" and not lines
  assert begin(None, str(path), False).variant == "full" and not lines
  chosen = begin(None, str(path), True)
  assert chosen.variant == chosen.config.variant == "tiny"
  (line,) = lines
  assert f"no accelerator, so this is {path}:tiny" in line
  assert f"--config={path}:full" in line
  for begun, folder in ((chosen, "a"), (begin(None, str(path), False), "b")):
    workdir = epath.Path(tmp_path / folder)
    begun.keep(workdir, BATCH, start=0, log=print)
    for cpu in (True, False):  # on any machine
      again = begin(workdir, str(path), cpu)
      assert again.variant == begun.variant and not lines
  with pytest.raises(UserError, match="another config"):
    begin(epath.Path(tmp_path / "a"), f"{path}:full", True)


@pytest.mark.parametrize("line", ["ON_CPU = 'tiny'\n", ""])
def test_what_is_smaller_on_a_cpu(tmp_path, monkeypatch, line):
  path = tmp_path / "own.py"
  named = "wide" if line else "cpu"
  path.write_text(
    textwrap.dedent(SOURCE).replace('"wide"', f'"{named}"') + line
  )
  made = "tiny" if line else "cpu"
  smaller = lambda variant: recipe.load(f"{path}:{variant}").smaller
  monkeypatch.setattr(automatic.tuning, "on_cpu", lambda: True)
  assert smaller("full") == f"{path}:{made}"
  assert smaller(made) == ""
  monkeypatch.setattr(automatic.tuning, "on_cpu", lambda: False)
  assert smaller("full") == ""


def test_a_variant_of_a_cpu_that_there_is_not(tmp_path, monkeypatch):
  path = tmp_path / "own.py"
  path.write_text(textwrap.dedent(SOURCE) + "ON_CPU = 'cpu'\n")
  monkeypatch.setattr(automatic.tuning, "on_cpu", lambda: True)
  with pytest.raises(
    UserError, match=r"ON_CPU of .* is 'cpu'; expected one of"
  ):
    resume.begin_or_resume(None, str(path), {}, print)


def test_a_config_is_built(file):
  loaded = recipe.load(str(file))
  assert loaded.build().task == loaded.config


def test_what_the_data_say_is_filled_in(file):
  assert recipe.load(str(file), {"name": "b"}).config.names == ("a", "b")


def test_a_workdir_gives_back_what_was_saved(file, tmp_path):
  workdir = tmp_path / "run"
  saved = save(file, workdir, {"lr": "0.25", "sizes": "7,8"})
  logged = []
  loaded, batch = recipe.load_workdir(epath.Path(workdir), logged.append)
  assert loaded.config.to_dict() == saved.config.to_dict()
  assert loaded.config.sizes == (7, 8)
  assert loaded.config.names == ("a", "x")
  assert batch["image"].shape == (4, 8, 8, 3)
  assert batch["image"].dtype == np.float32
  assert logged == []


def test_an_edited_file_is_not_used(file, tmp_path):
  workdir = tmp_path / "run"
  save(file, workdir)
  file.write_text("broken (")
  logged = []
  loaded, _ = recipe.load_workdir(epath.Path(workdir), logged.append)
  assert loaded.config.steps == 10
  assert logged == [f"{file} has changed since: using the copy in {workdir}."]


def test_runs_of_one_config_are_the_same(file, tmp_path):
  workdir = tmp_path / "run"
  save(file, workdir)
  saved = saved_config(epath.Path(workdir))
  resume.check_same(recipe.load(str(file)), saved)
  resume.check_same(recipe.load(str(file), {"steps": "99"}), saved)
  changed = {"lr": "1", "optimizer.nested.deep": "2", "sizes": "1,3"}
  with pytest.raises(ValueError) as error:
    resume.check_same(recipe.load(str(file), changed), saved)
  message = str(error.value)
  assert "lr: 0.5 in the workdir, 1.0 now" in message
  assert "optimizer.nested.deep: 1 in the workdir, 2 now" in message
  assert "sizes: [1, 2] in the workdir, [1, 3] now" in message
  assert "momentum" not in message
  many = {"sizes": ",".join(map(str, range(3000)))}
  with pytest.raises(ValueError, match=r"0, 1, 2, .* now") as error:
    resume.check_same(recipe.load(str(file), many), saved)
  assert len(str(error.value)) < 1000


def test_a_run_older_than_a_key_of_every_run_goes_on(file, tmp_path):
  save(file, tmp_path / "run")
  saved = saved_config(epath.Path(tmp_path / "run"))
  saved["values"].pop("norm_group", None)
  resume.check_same(recipe.load(str(file)), saved)
  changed = recipe.load(str(file), {"norm_group": "2"})
  with pytest.raises(ValueError, match="norm_group: 0 in the workdir, 2 now"):
    resume.check_same(changed, saved)


def test_another_file_is_another_config(file, tmp_path):
  workdir = tmp_path / "run"
  save(file, workdir)
  saved = saved_config(epath.Path(workdir))
  other = tmp_path / "other.py"
  other.write_text(file.read_text())
  resume.check_same(recipe.load(str(other)), saved)  # the very same text
  other.write_text(file.read_text() + "\nMORE = 1\n")
  with pytest.raises(ValueError, match=rf"file: {file} in .*, {other} now"):
    resume.check_same(recipe.load(str(other)), saved)
  assert resume.same_file(str(file), saved)
  assert not resume.same_file(str(other), saved)
  assert not resume.same_file(f"{file}:tiny", saved)


def test_a_damaged_config_is_named(tmp_path):
  (tmp_path / "config.json").write_text('{"path": ')
  with pytest.raises(ValueError, match=r"config\.json is damaged \("):
    saved_config(epath.Path(tmp_path))


def test_an_installed_config_is_found_from_anywhere(monkeypatch, tmp_path):
  monkeypatch.chdir(tmp_path)
  assert recipe.load("configs/classification/digits_cnn.py").config.steps > 100


def test_a_missing_config_names_the_nearest():
  with pytest.raises(ValueError, match="did you mean configs/classification/"):
    recipe.load("configs/clasification/mnist_cnn.py")


def test_a_file_that_is_no_config(tmp_path):
  (tmp_path / "x.py").write_text("def get_config(): ...\n")
  with pytest.raises(ValueError, match="has no function build; expected"):
    recipe.load(str(tmp_path / "x.py"))


def test_json_keeps_every_value():
  loaded = recipe.load(str(ROOT / BLOBS))
  content = json.loads(loaded.files(BATCH)["config.json"])
  assert content["values"]["names"] == ["a", "b"]
  assert content["values"].keys() == loaded.config.to_dict().keys()
  loaded.config.lr = float("inf")  # no flag can: those are checked
  with pytest.raises(ValueError, match="JSON compliant"):
    loaded.files(BATCH)


def strange(tmp_path, name=OURS, change=None):
  """A workdir that somebody else has made of a config; records if it runs."""
  workdir = epath.Path(tmp_path / "strange")
  workdir.mkdir()
  for file, text in recipe.load(f"{name}:tiny").files(BATCH).items():
    (workdir / file).write_text(text)
  ran = tmp_path / "ran"
  if change == "attack":
    code = f"\nimport pathlib\npathlib.Path({str(ran)!r}).touch()\n"
    copy = workdir / "config.py"
    copy.write_text(copy.read_text() + code)
  return workdir, ran


def test_a_strangers_workdir_of_our_config_runs_ours(tmp_path):
  workdir, _ = strange(tmp_path)
  assert recipe.load_workdir(workdir)[0].config.steps == 20


def test_a_strangers_code_does_not_run(tmp_path):
  workdir, ran = strange(tmp_path, change="attack")
  with pytest.raises(UserError) as error:
    recipe.load_workdir(workdir)
  assert not ran.exists()
  message = str(error.value)
  assert f"--workdir: {workdir} is code: its config.py would run" in message
  assert f"it differs from {OURS} in 3 lines: '+'; '+import pathlib'" in message
  assert "if you trust it, add --trust_workdir" in message
  recipe.load_workdir(workdir, lambda line: None, trusted=True)
  assert ran.exists()


def test_a_strangers_own_config_does_not_run(tmp_path, file):
  workdir, _ = strange(tmp_path, str(file))  # it lies at its path, equal
  with pytest.raises(UserError, match="no config of this package at /"):
    recipe.load_workdir(workdir)
  trust.remember(file.read_text())
  assert recipe.load_workdir(workdir)[0].config.steps == 10


@pytest.mark.parametrize("flags", [
  ["--mode=eval"],
  ["--mode=predict", "--images=x", "--output=y"],
  ["--mode=sample", "--output=y"],
  [],
  [f"--config={OURS}:tiny"],
])  # fmt: skip
def test_a_strangers_code_does_not_run_in_any_mode(tmp_path, flags):
  workdir, ran = strange(tmp_path, change="attack")
  result = call(f"--workdir={workdir}", *flags)
  assert result.code == 2 and "is code" in result.err, result.err
  assert not ran.exists()


def test_ones_own_config_runs_in_a_copied_workdir(tmp_path, file):
  """Without a home folder nothing is remembered; --config then names it."""
  workdir, _ = strange(tmp_path, str(file))
  assert resume.is_copy(f"{file}:tiny", workdir)
  file.write_text(file.read_text() + "# changed")
  assert not resume.is_copy(f"{file}:tiny", workdir)


def test_the_list_keeps_a_hash_once_and_needs_no_home(cache, monkeypatch):
  trust.remember("a")
  trust.remember("a")
  assert len((cache / "vision_jax" / "configs.txt").read_text().split()) == 1
  assert trust.is_listed("a") and not trust.is_listed("b")
  monkeypatch.setenv("XDG_CACHE_HOME", "relative")
  trust.remember("b")
  assert not trust.is_listed("a")


@pytest.mark.parametrize("content", [
  "[]", "{}", '"x"', "null", "1e999", '{"path": "x"}',
  '{"path": "x", "variant": "full", "sha256": "", "values": [], "batch": {}}',
])  # fmt: skip
def test_a_config_json_without_what_it_needs(tmp_path, content):
  (tmp_path / "config.json").write_text(content)
  with pytest.raises(UserError, match=r"config\.json is damaged \(it has no"):
    saved_config(epath.Path(tmp_path))


@pytest.mark.parametrize(
  ("key", "value"),
  [
    ("batch", {"image": 3}),
    ("batch", {"image": [[4, -1], "float32"], "mask": [[4], "float32"]}),
    ("batch", {"mask": [[4], "float99"]}),
    ("batch", {"image": [[4, 8], "float32"]}),
    ("batch", {"mask": [[4, 8], "float32"]}),
    ("batch", {"mask": [["x"], "float32"]}),
    ("values", {"steps": "many"}),
    ("values", {"stepz": 3}),
    ("values", {"optimizer": 3}),
  ],
)
def test_a_config_json_with_impossible_values(tmp_path, file, key, value):
  workdir = epath.Path(tmp_path / "run")
  save(file, workdir)
  saved = saved_config(workdir)
  (workdir / "config.json").write_text(json.dumps(saved | {key: value}))
  with pytest.raises(UserError, match=r"config\.json is damaged \("):
    recipe.load_workdir(workdir)


@pytest.mark.parametrize(
  ("overrides", "message"),
  [
    ({"num_queries": "0"}, "num_queries: got 0; expected at least 1"),
    ({"eval_every": "-5"}, "eval_every: got -5; expected 0 or more"),
    ({"image_size": "64,0"}, r"image_size: got \(64, 0\); expected at least 1"),
    ({"dtype": "float99"}, "got 'float99'; expected float32 or bfloat16"),
    ({"seed": "-1"}, "seed: got -1; expected 0 to 4294967295"),
    ({"lr": "inf"}, "lr: got inf; expected a finite number"),
    ({"ema": "1.0"}, "ema: got 1.0; expected 0 or more and below 1"),
    ({"class_names": "'a', ''"}, "expected a name for each class, none of"),
    ({"dropout": "1.5"}, None),  # no such key here: the nearest is named
  ],
)
def test_a_value_that_means_nothing(overrides, message):
  name = "configs/detection/voc_detr.py:tiny"
  with pytest.raises(UserError, match=message or "no such key"):
    recipe.load(name, overrides)


def test_local_paths_are_absolute_and_remote_ones_are_left(
  tmp_path, monkeypatch
):
  name = "configs/segmentation/folder_unet.py:tiny"
  monkeypatch.chdir(tmp_path)
  monkeypatch.setenv("HOME", str(tmp_path / "home"))
  monkeypatch.setenv("MY_DATA", "mine")
  given = {"images": "a/../b", "masks": "~/m", "data_dir": "gs://bucket/x"}
  config = recipe.load(name, given).config
  of_variable = recipe.load(name, {"images": "$MY_DATA/$NO_SUCH"}).config
  assert of_variable.images == str(tmp_path / "mine" / "$NO_SUCH")
  assert config.images == str(tmp_path / "a" / ".." / "b")
  assert config.masks == str(tmp_path / "home" / "m")
  assert config.data_dir == "gs://bucket/x"
  assert recipe.load(name).config.images == ""


def test_a_config_is_called_the_same_from_anywhere(file, tmp_path, monkeypatch):
  assert recipe.load(str(ROOT / OURS)).path == OURS
  monkeypatch.chdir(tmp_path)
  assert recipe.load(OURS).path == OURS
  assert recipe.load(file.name).path == str(file)
