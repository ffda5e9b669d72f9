"""A workdir of an earlier version: refused in a line, its weights of use.

`earlier` is what vision_jax 0.1.0 left of four steps of the tiny digits_cnn,
one channel wide.
"""

import json
import shutil

import jax
import numpy as np
import pytest
from etils import epath

from tests.programs.command import ROOT, call
from vision_jax.core.execution import Jit
from vision_jax.experiment import Weights
from vision_jax.recipe import recipe, versions
from vision_jax.train.evaluate import Evaluator
from vision_jax.train.initial import state_maker, with_weights

EARLIER = ROOT / "tests/recipe/earlier"
CONFIG = "configs/classification/digits_cnn.py:tiny"
COMMIT = "e6938a4f102c68551268b4607f19d08035f2792a"


@pytest.fixture
def workdir(tmp_path):
  return shutil.copytree(EARLIER, tmp_path / "run")


def refused(result, workdir, what):
  (line,) = result.err.splitlines()
  return (
    result.code == 2
    and line.startswith(
      f"error: --workdir: {workdir} was written by vision_jax 0.1.0 at commit "
      f"{COMMIT}; this is "
    )
    and f", which cannot {what}. Use that version, or begin a new " in line
  )


@pytest.mark.parametrize("flags", [
  [], [f"--config={CONFIG}"], ["--mode=show"],
])  # fmt: skip
def test_a_run_of_an_earlier_version_does_not_go_on(workdir, flags):
  before = {f: f.read_bytes() for f in workdir.rglob("*") if f.is_file()}
  assert refused(
    call(f"--workdir={workdir}", *flags), workdir, "go on with its run"
  )
  after = {f: f.read_bytes() for f in workdir.rglob("*") if f.is_file()}
  assert after == before


@pytest.mark.parametrize("flags", [
  ["eval"],
  ["predict", "--images=x", "--output=y"],
  ["sample", "--output=y"],
])  # fmt: skip
def test_a_config_of_an_earlier_version_is_not_read(workdir, flags):
  flags = (f"--mode={flags[0]}", "--trust_workdir", *flags[1:])
  result = call(f"--workdir={workdir}", *flags)
  assert refused(result, workdir, "read its config"), result.err


def write(workdir, build, **changes):
  """Makes it the workdir of a config that this version can read."""
  source = (
    "def get_config():\n  return {'steps': 1, 'batch_size': 2}\n"
    f"def build(config): {build}\n"
  )
  (workdir / "config.py").write_text(source)
  file = workdir / "config.json"
  values = {"steps": 1, "batch_size": 2}
  saved = json.loads(file.read_text()) | {"variant": "full", "values": values}
  file.write_text(json.dumps(saved | changes))


BUILD = (
  "from vision_jax.experiment import Experiment; "
  "return Experiment(task=None, optimizers={}, train_data=None, evals={})"
)


def test_an_earlier_config_that_can_be_read_is(workdir):
  write(workdir, BUILD)
  load = lambda: recipe.load_workdir(
    epath.Path(workdir), lambda line: None, trusted=True
  )
  assert load()[0].config.steps == 1
  write(workdir, "return config.gone")
  with pytest.raises(ValueError, match=r"was written by vision_jax 0\.1"):
    load()
  write(workdir, "return config.gone", format=versions.FORMAT)
  assert load()[0].config.steps == 1  # whose build fails where it is called


@pytest.mark.parametrize(
  ("manifest", "writer"),
  [
    ('{"runs": [{"packages": {"vision_jax": "0.3"}, "git": null}]}',
     "vision_jax 0.3; this is"),
    ('{"runs": []}', "another version of vision_jax; this is"),
    ("[", "another version of vision_jax; this is"),
  ],
)  # fmt: skip
def test_a_manifest_without_a_version(workdir, manifest, writer):
  (workdir / "manifest.json").write_text(manifest)
  result = call(f"--workdir={workdir}")
  assert result.code == 2 and f"was written by {writer}" in result.err


def test_weights_of_an_earlier_version_are_those_of_now():
  """They give the loss on the test data that their own version measured."""
  experiment = recipe.load(CONFIG, {"width": "1"}).build()
  with experiment:
    batch = experiment.train_data.batch(0)
    where = Jit(devices=jax.devices()[:1])
    state = where.init(state_maker(experiment, batch, 0))
    begun = with_weights(state, {"": Weights(EARLIER)})
    evaluate = Evaluator(experiment, where)
    weights = {"raw": begun.weights()}
    metrics = evaluate(weights.get)
  lines = (EARLIER / "metrics.jsonl").read_text().splitlines()
  line = json.loads(lines[-1])
  for name in ("test/loss", "test/accuracy"):
    np.testing.assert_allclose(metrics[name], line[name], rtol=1e-5)


@pytest.mark.slow
def test_a_run_begins_with_weights_of_an_earlier_version(tmp_path):
  result = call(
    *(f"--config={CONFIG}", f"--workdir={tmp_path / 'new'}"),
    *("--config.width=1", "--config.steps=4", f"--init_from={EARLIER}"),
    devices=1,
  )
  assert result.code == 0, result.err
