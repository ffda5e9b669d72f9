"""Where a new run's weights come from: all of them, or those of parts."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.flax import save_file

from tests.programs.command import ROOT, assert_same, call, stored
from vision_jax.core.execution import Jit
from vision_jax.core.state import Following
from vision_jax.errors import UserError
from vision_jax.experiment import Weights
from vision_jax.models.backbones.cnn import CNN
from vision_jax.models.backbones.resnet import ResNet
from vision_jax.paths import absolute, of_part, of_parts
from vision_jax.recipe import recipe
from vision_jax.tasks.classification import Classification
from vision_jax.train import initial
from vision_jax.train.runs import run

DIGITS = ROOT / "configs/classification/digits_cnn.py"
SCENES = ROOT / "configs/detection/digit_scenes_detr.py"
STAGES = ((8, 8), (16, 16))


def classifier(task=None, **values):
  experiment = recipe.load(f"{DIGITS}:tiny").build()
  task = {} if task is None else {"task": task}
  return dataclasses.replace(experiment, **task, **values)


def one():
  return Jit(devices=jax.devices()[:1])


def train(experiment, workdir=None, **options):
  return run(
    experiment, workdir, steps=1, batch_size=16, execution=one(), **options
  )


def new_state(experiment):
  with experiment:
    batch = experiment.train_data.batch(0)
  return one().init(initial.state_maker(experiment, batch, 1)), batch


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
  """Workdirs of a small CNN, and of the backbone that a detector has."""
  folder = tmp_path_factory.mktemp("start")
  train(classifier(ema={"model": 0.5}), folder / "cnn")
  body = ResNet(10, (1, 1), False, 8, stem="imagenet", zero_init=False)
  task = Classification(body)
  coloured = lambda batch: batch | {"image": jnp.repeat(batch["image"], 3, -1)}
  train(classifier(task, inputs=coloured), folder / "resnet")
  return folder


def assert_equal(got, arrays, start):
  """Asserts that a tree has the arrays of a checkpoint under a path."""
  paths, _ = jax.tree_util.tree_flatten_with_path(got)
  assert paths
  for path, x in paths:
    name = start + jax.tree_util.keystr(path, simple=True, separator="/")
    np.testing.assert_array_equal(x, arrays[name], err_msg=name)


def test_other_classes_are_a_new_head_and_lines(folder):
  experiment = classifier(Classification(CNN(12, stages=STAGES)))
  state, _ = new_state(experiment)
  lines = []
  start = experiment.starts(folder / "cnn")
  begun = initial.with_weights(state, start, log=lines.append)
  (line,) = lines
  assert line.startswith("All nets: ") and line.endswith("; new: model/head.")
  model = dict(begun.params["model"])
  head = model.pop("head")
  jax.tree.map(
    np.testing.assert_array_equal, head, state.params["model"]["head"]
  )
  arrays = stored(folder / "cnn")
  assert_equal(model, arrays, "params/model/")
  assert_equal(begun.stats["model"], arrays, "stats/model/")


def test_a_head_alone_may_have_another_size(folder):
  """A layer that another one takes in is no head."""
  wider = classifier(Classification(CNN(10, stages=((8, 8), (16, 24)))))
  with pytest.raises(UserError, match=r"head/kernel: got.*expected float32"):
    train(wider, init_from=folder / "cnn")
  deeper = classifier(Classification(CNN(12, stages=((8,), (16, 16)))))
  with pytest.raises(UserError, match="arrays differ"):
    train(deeper, init_from=folder / "cnn")


def test_averages_and_nets_that_follow_begin_as_copies(folder):
  experiment = classifier(
    ema={"model": 0.9},
    following={"teacher": Following("model", 0.9)},
    start={"model": Weights(str(folder / "cnn"), weights="ema")},
  )
  state, _ = new_state(experiment)
  begun = initial.begin_anew(experiment, Jit(), lambda: state, None)
  arrays = stored(folder / "cnn")
  for kind in ("params", "stats"):
    for nets in (getattr(begun, kind), getattr(begun.ema, kind)):
      for net in nets.values():
        assert_equal(net, arrays, f"ema/{kind}/model/")
  assert begun.ema.params.keys() == {"model", "teacher"}


def test_the_command_goes_before_the_experiment():
  experiment = classifier(start={"model": Weights("a"), "b": Weights("b")})
  starts = lambda given: {
    part: place.path for part, place in experiment.starts(given).items()
  }
  assert starts(None) == {"model": "a", "b": "b"}
  assert starts({"model": "c"}) == {"model": "c", "b": "b"}
  assert starts("d") == starts({"": "d"}) == {"": "d"}
  assert starts({"": "d", "b": "c"}) == {"": "d", "b": "c"}


def test_what_is_given_goes_before_what_the_experiment_says_of_its_parts():
  within = {name: Weights("a") for name in ("model/head", "model2", "b/head")}
  found = classifier(start=within).starts({"model": "c", "b/head/x": "d"})
  paths = {part: place.path for part, place in found.items()}
  assert paths == {"model2": "a", "b/head": "a", "model": "c", "b/head/x": "d"}


@pytest.mark.parametrize("parts", [("model", "model/bn1"), ("model/bn1", "")])
def test_a_part_goes_before_what_it_is_in(folder, tmp_path, parts):
  """In whatever order they are given."""
  other = tmp_path / "other"
  train(classifier(), other, seed=1)
  names = [folder / "cnn" if part == "model/bn1" else other for part in parts]
  experiment = classifier()
  state, _ = new_state(experiment)
  start = experiment.starts(dict(zip(parts, names, strict=True)))
  begun = initial.with_weights(state, start)
  model = dict(begun.params["model"])
  of_part = model.pop("bn1")
  assert_equal(of_part, stored(folder / "cnn"), "params/model/bn1/")
  assert_equal(model, stored(other), "params/model/")


@pytest.mark.parametrize(
  "fields, message",
  [
    ({"start": {"model": Weights("gone")}}, "no weights at .*gone"),
    ({"start": {"modle": Weights("gone")}}, "did you mean 'model'"),
    (
      {
        "start": {"teacher/head": Weights("gone")},
        "following": {"teacher": Following("model", 0.9)},
      },
      "'teacher/head', of a net that follows another; expected a part of that",
    ),
    ({"fixed": {"modle": Weights("gone")}}, "did you mean 'model'"),
    ({"fixed": {"model": Weights("gone")}}, "which an objective trains"),
  ],
)
def test_weights_that_cannot_be_leave_nothing_behind(tmp_path, fields, message):
  with pytest.raises(UserError, match=message):
    train(classifier(**fields), tmp_path / "run")
  assert not (tmp_path / "run").exists()


def test_a_fixed_net_has_its_weights_already():
  fixed = {"codec": Weights("a")}
  with pytest.raises(UserError, match="'codec/head', of a fixed net"):
    classifier(fixed=fixed).starts({"codec/head": "b"})


@pytest.mark.parametrize(
  "make, message",
  [
    (lambda: Weights(""), "path: got none"),
    (lambda: Weights("a", weights="avg"), "got 'avg'; expected 'raw' or 'ema'"),
    (lambda: classifier(start={"model": "a"}), "start: got 'a' for 'model'"),
    (lambda: classifier(fixed={"model": "a"}), "fixed: got 'a' for 'model'"),
    (lambda: Following("model", 1.5), "decay: got 1.5; expected 0 to 1"),
    (lambda: classifier().found_at({"model": "a"}), "no fixed net; leave it"),
    (
      lambda: of_parts("init_from", ["model=a", "model=b"]),
      r"--init_from: got \S*b for model, and \S*a too",
    ),
    (lambda: of_parts("init_from", ["a", "b"]), r"got \S*b for all nets"),
    (lambda: of_parts("init_from", ["model="]), "--init_from=model=: got no"),
  ],
)
def test_places_of_weights_that_are_none(make, message):
  with pytest.raises(UserError, match=message):
    make()


def test_a_part_is_written_before_its_path(tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  (tmp_path / "out" / "lr=1").mkdir(parents=True)
  cases = {
    "out/old": ("", absolute("out/old")),
    "out/lr=1": ("", absolute("out/lr=1")),  # there is one
    "/no/lr=1": ("", "/no/lr=1"),
    "./no/lr=1": ("", absolute("no/lr=1")),
    "model/=old": ("model/", absolute("old")),  # so that it can be told
    "gs://b/lr=1": ("", "gs://b/lr=1"),
    "model=old": ("model", absolute("old")),
    "model/backbone=gs://b/lr=1": ("model/backbone", "gs://b/lr=1"),
  }
  assert {text: of_part(text) for text in cases} == cases


@pytest.fixture(scope="module")
def detector():
  """A detector's state, shapes and all."""
  return recipe.load(f"{SCENES}:tiny").build()


def shapes(experiment):
  with experiment:
    batch = experiment.train_data.batch(0)
  execution = one()
  return execution.abstract(initial.state_maker(experiment, batch, 0))


@pytest.mark.parametrize("place", ["workdir", "file"])
def test_a_detector_begins_on_a_classifiers_backbone(
  folder, detector, place, tmp_path
):
  state, _ = new_state(detector)
  source, arrays = folder / "resnet", stored(folder / "resnet")
  if place == "file":
    source = tmp_path / "resnet.safetensors"
    save_file({k: jnp.asarray(x) for k, x in arrays.items()
               if k.startswith(("params/", "stats/"))}, source)  # fmt: skip
  lines = []
  start = detector.starts({"model/backbone": source})
  begun = initial.with_weights(state, start, log=lines.append)
  (line,) = lines
  assert line.startswith("model/backbone: ")
  assert line.endswith("left there: fc.")
  model, stats = dict(begun.params["model"]), begun.stats["model"]
  assert_equal(model.pop("backbone"), arrays, "params/model/")
  moments = stats["batch_stats"]["backbone"]
  assert_equal(moments, arrays, "stats/model/batch_stats/")
  before = dict(state.params["model"])
  del before["backbone"]
  jax.tree.map(np.testing.assert_array_equal, model, before)


@pytest.mark.parametrize(
  "part, place, message",
  [
    ("model/bakbone", "resnet", r"no part 'model/bakbone'; did you mean 'model"
     r"/backbone'"),
    ("backbone", "resnet", r"no part 'backbone'.*Parts are nets \(model\)"),
    ("model/backbone", "cnn", r"conv2/.*absent(.|\n)*the nearest there to"),
    ("model/backbone", "gone", r"no weights at"),
  ],
)  # fmt: skip
def test_parts_that_do_not_fit(folder, detector, part, place, message):
  state = shapes(detector)
  start = detector.starts({part: folder / place})
  with pytest.raises(UserError, match=message):
    initial.with_weights(state, start)


def test_a_source_without_the_part(folder, detector):
  start = {"model/backbone": Weights(str(folder / "cnn"), part="model/body")}
  with pytest.raises(UserError, match=r"cnn.*has no part 'model/body'"):
    initial.with_weights(shapes(detector), start)


@pytest.mark.slow
def test_the_command_begins_with_parts_and_goes_on_bit_for_bit(
  folder, tmp_path
):
  def train(workdir, **options):
    done = call(
      *(f"--config={SCENES}:tiny", f"--workdir={tmp_path / workdir}"),
      *(f"--init_from=model/backbone={folder / 'resnet'}", "--config.steps=2"),
      **{"devices": 1} | options,
    )
    assert done.code == 0, done.err
    return done.err

  assert "left there: fc." in train("whole")
  train("stopped", stop_at=1)
  assert "left there" not in train("stopped")  # it goes on
  assert_same(stored(tmp_path / "stopped"), stored(tmp_path / "whole"))
