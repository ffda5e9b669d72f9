"""The corpus: a run's folder that is damaged, and files of results."""

import json
import shutil

import pytest

from benchmarks import lines
from benchmarks.report import command
from tests.benchmarks.test_benchmarks_results import lenet_result
from tests.corpus import says
from tests.programs.command import call, train


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
  """The workdir of a short run."""
  workdir = tmp_path_factory.mktemp("trained") / "run"
  train(workdir, "--config.steps=2", "--config.eval_every=0", devices=1)
  return workdir


def saved(**change):
  """Changes parts of config.json; None leaves one out."""

  def damage(workdir):
    file = workdir / "config.json"
    content = json.loads(file.read_text()) | change
    content = {k: x for k, x in content.items() if x is not None}
    file.write_text(json.dumps(content))

  return damage


def value(**change):
  """Changes values in config.json."""

  def damage(workdir):
    old = json.loads((workdir / "config.json").read_text())["values"]
    saved(values=old | change)(workdir)

  return damage


def batch(**change):
  """Changes shapes in config.json; None leaves one out."""

  def damage(workdir):
    old = json.loads((workdir / "config.json").read_text())["batch"] | change
    saved(batch={k: x for k, x in old.items() if x is not None})(workdir)

  return damage


def text(content, name="config.json"):
  """Replaces a file; None removes it."""

  def damage(workdir):
    (workdir / name).unlink()
    if isinstance(content, bytes):
      (workdir / name).write_bytes(content)
    elif content is not None:
      (workdir / name).write_text(content)

  return damage


def folder(workdir):
  """Puts a folder in the place of config.json."""
  (workdir / "config.json").unlink()
  (workdir / "config.json").mkdir()


def checkpoints(change):
  """Changes every file of the checkpoints' arrays."""

  def damage(workdir):
    for file in (workdir / "checkpoints").rglob("*"):
      if file.is_file() and file.parent.name == "d":
        change(file)

  return damage


def metadata(content):
  """Replaces what a checkpoint says of its arrays."""

  def damage(workdir):
    for file in (workdir / "checkpoints").rglob("_METADATA"):
      file.write_text(content)

  return damage


def halve(file):
  file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def nothing(workdir):
  """Leaves the workdir as it is."""


def empty(workdir):
  shutil.rmtree(workdir / "checkpoints")
  (workdir / "checkpoints").mkdir()


JSON = r"config\.json"
READ = "read|checkpoint"
WORKDIRS = [
  ("a list", text("[]"), "", JSON + ".*no 'path'"),
  ("nothing", text("{}"), "", JSON + ".*no 'path'"),
  ("null", text("null"), "", JSON),
  ("a number", text("3"), "", JSON),
  ("empty", text(""), "", JSON),
  ("half", text('{"path": "x", "val'), "", JSON),
  ("bytes", text(b"\xff\xfe\0"), "", JSON),
  ("missing", text(None), "", r"no config\.json"),
  ("a folder", folder, "", JSON),
  *((f"no {key}", saved(**{key: None}), "", JSON + f".*no '{key}'")
    for key in ("path", "variant", "sha256", "values", "batch")),
  ("values in a list", saved(values=[]), "", JSON),
  ("a batch in a list", saved(batch=[]), "", JSON),
  ("a path of 3", saved(path=3), "", JSON),
  ("an unknown value", value(owls=3), "", JSON + ".*owls"),
  ("a width of text", value(width="wide"), "", JSON),
  ("a width of a list", value(width=[1]), "", JSON),
  ("a width of nothing", value(width=None), "", JSON + "|width"),
  ("a width of 0", value(width=0), "", "width: got 0"),
  ("a seed below 0", value(seed=-1), "", "seed: got -1"),
  ("a batch of 0", value(batch_size=0), "", "batch_size: got 0"),
  ("no shapes", saved(batch={}), "", JSON),
  ("a shape of 3", batch(image=3), "", JSON),
  ("a shape below 0", batch(image=[[16, -8, 8, 3], "float32"]), "", JSON),
  ("a shape of 0", batch(image=[[0, 8, 8, 3], "float32"]), "", JSON),
  ("a shape of text", batch(image=["wide", "float32"]), "", JSON),
  ("a type of noise", batch(image=[[16, 8, 8, 3], "float99"]), "", JSON),
  ("no mask", batch(mask=None), "", JSON),
  ("no image", batch(image=None), "", JSON + "|image"),
  ("no channels", batch(image=[[16, 8, 8], "float32"]), "", JSON + "|image"),
  ("a shape of 10^30", batch(image=[[10**30, 8, 8, 3], "float32"]), "", JSON),
  ("a variant of noise", saved(variant="huge"), "", "huge"),
  ("no copy", text(None, "config.py"), "", r"config\.py"),
  ("an empty copy", text("", "config.py"), "--trust_workdir", "get_config"),
  ("a copy of noise", text("(", "config.py"), "--trust_workdir", r"config\.py"),
  ("a copy of bytes", text(b"\xff\xfe", "config.py"), "", r"config\.py"),
  ("a stranger's", text("import os", "config.py"), "", "trust_workdir"),
  ("no checkpoints", lambda d: shutil.rmtree(d / "checkpoints"), "", READ),
  ("an empty folder of them", empty, "", READ),
  ("no such step", nothing, "--checkpoint=99", "99"),
  ("a step of noise", nothing, "--checkpoint=owl", "got 'owl'"),
  ("a step below 0", nothing, "--checkpoint=-1", "got '-1'"),
  ("weights of noise", nothing, "--weights=best", "weights"),
  ("half of each array", checkpoints(halve), "", READ),
  ("no arrays", checkpoints(lambda file: file.unlink()), "", READ),
  ("empty arrays", checkpoints(lambda file: file.write_bytes(b"")), "", READ),
  ("metadata of noise", metadata("{"), "", READ),
  ("no metadata", metadata(""), "", READ),
  ("another model", value(width=64), "", "does not fit"),
]  # fmt: skip
USES = [
  ("predict on nothing", "--mode=predict --images={0}/none --output={0}/x",
   "none"),
  ("on an empty folder", "--mode=predict --images={0}/new --output={0}/x",
   "no images"),
  ("on a file", "--mode=predict --images={0}/file --output={0}/x", "is a file"),
  ("into a file", "--mode=predict --images={0}/new --output={0}/file",
   "file|new"),
  ("samples of a classifier", "--mode=sample --output={0}/x", "sample"),
  ("an unknown sampler",
   "--mode=sample --output={0}/x --sample.sampler=owl", "sampl"),
  ("an unknown value", "--mode=eval --config.owls=3", "owls: no such key"),
  ("another value", "--mode=eval --config.width=64",
   "width: 128 in the workdir"),
  ("data that are gone", "--mode=eval --config.data_dir=/no/x", "/no/x"),
]  # fmt: skip


def refused(trained, workdir, damage, flags, pattern):
  """Runs a command on a copy that is damaged."""
  shutil.copytree(trained, workdir)
  damage(workdir)
  result = call(*flags, f"--workdir={workdir}", devices=1)
  assert result.code == 2, result.err
  says(result.err, pattern)


@pytest.mark.parametrize(
  ("damage", "flags", "pattern"),
  [pytest.param(*line[1:], id=line[0]) for line in WORKDIRS],
)
def test_a_workdir(tmp_path, trained, damage, flags, pattern):
  flags = ("--mode=eval", *flags.split())
  refused(trained, tmp_path / "run", damage, flags, pattern)


@pytest.mark.parametrize(
  ("flags", "pattern"), [pytest.param(*line[1:], id=line[0]) for line in USES]
)
def test_what_a_workdir_is_used_for(tmp_path, trained, flags, pattern):
  (tmp_path / "file").write_text("")
  (tmp_path / "new").mkdir()
  flags = flags.format(tmp_path).split()
  refused(trained, tmp_path / "run", nothing, flags, pattern)


def test_an_undamaged_copy_is_read(tmp_path, trained):
  shutil.copytree(trained, tmp_path / "run")
  result = call("--mode=eval", f"--workdir={tmp_path / 'run'}", devices=1)
  assert result.code == 0, result.err


def line(**change):
  """A line of results, with fields changed."""
  return json.dumps(lines.line(lenet_result()) | change)


RESULTS = [
  ("a list", "[]", "row"),
  ("null", "null", "row"),
  ("nothing", "{}", "row"),
  ("half", line()[:90], "not JSON"),
  ("text", "0.99 accuracy", "not JSON"),
  ("NaN", "NaN", "row"),
  ("bytes", b"\xff\xfe", "owls"),
  ("a row of noise", line(row="owls"), "owls"),
  ("a row of 3", line(row=3), "row"),
  ("values of text", line(values=["high"] * 3), "values"),
  ("values of NaN", line(values=[float("nan")] * 3), "values"),
  ("fewer values", line(values=[0.99]), "values|seeds"),
  ("one seed thrice", line(seeds=[0, 0, 0]), "seeds"),
  ("another mean", line(mean=5.0), "mean"),
  ("another verdict", line(verdict="reproduced twice"), "verdict"),
  ("a met target", line(target_met=None), "target_met"),
  ("no machine", line(hardware=None), "hardware"),
  ("a date of noise", line(date="today"), "date"),
  ("a field of noise", line(owls=3), "owls"),
]  # fmt: skip


@pytest.mark.parametrize(
  ("content", "pattern"), [pytest.param(*x[1:], id=x[0]) for x in RESULTS]
)
def test_results(tmp_path, capsys, content, pattern):
  file = tmp_path / "owls.jsonl"
  file.write_bytes(content if isinstance(content, bytes) else content.encode())
  assert command.main([f"--input={file}"]) == 2
  says(capsys.readouterr().err, pattern)


def test_a_right_result_is_read(tmp_path):
  (tmp_path / "owls.jsonl").write_text(line() + "\n")
  assert len(lines.read(tmp_path)) == 1
