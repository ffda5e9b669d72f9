"""Probes of frozen features: what is fitted to, measured on, and written."""

import json

import numpy as np
import pytest

from tests.data_fixtures import encode
from tests.programs.blobs import CLASSES, Blobs
from tests.programs.command import call, train
from vision_jax.metrics.neighbours import NearestNeighbours, vote
from vision_jax.transfer.features import Features
from vision_jax.transfer.images import ProbeImages
from vision_jax.transfer.probe import Probe


def unit(x):
  return x / np.linalg.norm(x, axis=1, keepdims=True)


def test_votes_are_weighed_as_dinos():
  rng = np.random.default_rng(0)
  known, new = rng.normal(size=(50, 6)), rng.normal(size=(40, 6))
  labels = rng.integers(0, 5, 50)
  expected = []
  for row in unit(new) @ unit(known).T:
    near = np.argsort(-row)[:7]
    votes = [
      sum(np.exp(row[i] / 0.07) for i in near if labels[i] == k)
      for k in range(5)
    ]
    expected.append(np.argmax(votes))
  got = vote(new, known, labels, 7, 0.07)
  np.testing.assert_array_equal(got, expected)
  assert (got != vote(new, known, labels, 7)).any()  # of equal weights
  metric = NearestNeighbours(7, temperature=0.07)
  truth = rng.integers(0, 5, 40)
  rows = {"features": new, "label": truth}
  found = metric.result({}, rows, {"features": known, "label": labels})
  assert found["knn"] == np.mean(np.array(expected) == truth)


@pytest.mark.parametrize("temperature", [0.0, -1.0, np.nan])
def test_temperature_is_more_than_0(temperature):
  with pytest.raises(ValueError, match="temperature: got"):
    NearestNeighbours(temperature=temperature)


def separable(n, seed):
  rng = np.random.default_rng(seed)
  labels = np.arange(n) % 3
  values = 10 * np.eye(3, 5)[labels] + rng.normal(size=(n, 5))
  return Features(np.arange(n), values.astype(np.float32), labels)


def test_episodes_have_a_mean_and_students_interval():
  stats = pytest.importorskip("scipy.stats")
  train_set, test = separable(90, 0), separable(60, 1)
  noise = np.random.default_rng(2).normal(size=(90, 5)) * 6
  train_set.values[:] += noise  # so that episodes differ
  probe = Probe(shots=2, episodes=5)
  images = ProbeImages("x", Blobs(1, 0), Blobs(1, 0), "test")
  draws = probe.draws(train_set.labels, images)
  assert [len(x) for x in draws] == [6] * 5
  found = probe.measure(train_set, test, draws)
  assert set(found) == {"ridge", "logistic", "knn"}
  for name, x in found.items():
    assert len(x.values) == 5 and x.mean > 0.5, name
    mean, error = np.mean(x.values), stats.sem(x.values)
    low, high = stats.t.interval(0.95, 4, mean, error)
    assert x.interval[0] == pytest.approx(low)
    assert x.interval[1] == pytest.approx(min(high, 1))
  assert len({*found["ridge"].values}) > 1


def test_all_examples_are_one_episode():
  found = Probe().measure(separable(90, 0), separable(60, 1), [np.arange(90)])
  assert {name: x.values for name, x in found.items()} == dict.fromkeys(
    ("ridge", "logistic", "knn"), (1.0,)
  )


def write_blobs(folder, each, skip=()):
  """Writes blobs as class folders."""
  arrays = Blobs(60 * each, 3).load()
  left = dict.fromkeys(range(len(CLASSES)), each)
  for i, (image, k) in enumerate(zip(*arrays.values(), strict=True)):
    if left[k] and CLASSES[k] not in skip:
      left[k] -= 1
      path = folder / CLASSES[k] / f"{i}.png"
      path.parent.mkdir(parents=True, exist_ok=True)
      path.write_bytes(encode(image, "PNG"))
  return folder


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
  """A run that has learned a little."""
  folder = tmp_path_factory.mktemp("probe") / "run"
  train(folder, "--config.steps=8", "--config.eval_every=0")
  return folder


@pytest.mark.slow
def test_own_folder_is_probed_in_episodes(workdir, tmp_path):
  data = write_blobs(tmp_path / "data", each=10)
  flags = ("--mode=probe", f"--workdir={workdir}")
  own = f"--config.data_dir={data}"
  result = call(*flags, own, "--shots=3", "--episodes=3", "--seed=5")
  assert result.code == 0, result.err
  assert "3 images of each class, 3 times anew, measured on 4 of val" in (
    result.out
  )
  found = json.loads((workdir / "probe.json").read_text())
  assert found["seeds"] == [5, 6, 7] and found["classes"] == sorted(CLASSES)
  assert found["measured_on"] == "val" and found["shots"] == 3
  for x in found["accuracy"].values():
    assert len(x["values"]) == 3 and 0 <= x["mean"] <= 1
  assert len(found["accuracy"]["logistic"]["penalty"]) == 3
  again = call(
    *(*flags, own, "--shots=3", "--episodes=3", "--seed=5"),
    f"--output={tmp_path / 'x.json'}",
  )
  assert again.code == 0 and again.out == result.out


@pytest.mark.slow
def test_run_itself_and_a_data_set_by_name_are_probed(workdir, tmp_path):
  flags = ("--mode=probe", f"--workdir={workdir}")
  output = tmp_path / "x.json"
  result = call(*flags, f"--output={output}")
  assert result.code == 0, result.err
  assert "fitted to all 90 images of train, measured on 37 of val" in result.out
  found = json.loads(output.read_text())
  assert found["accuracy"]["ridge"]["mean"] > 0.5  # of four colours
  result = call(
    *(*flags, "--dataset=digits", "--classes=3,1,4", "--shots=2"),
    *("--episodes=2", f"--output={output}"),
  )
  assert result.code == 0, result.err
  found = json.loads(output.read_text())
  assert found["classes"] == ["3", "1", "4"] and found["measured_on"] == "test"


@pytest.mark.parametrize(
  "flags, message",
  [
    (["--shots=50"], "shots: got 50; expected 1 to 2: the rarest class"),
    (["--layer=heat"], "the nearest is 'head'"),
    (["--config.data_dir={0}/one"], "it has blue; expected two or more"),
    (["--dataset=digits", "--classes=1"], "'1', to train on; expected two"),
    (["--config.data_dir={0}/empty"], "{0}/empty"),
    (["--config.data_dir={0}/gone"], "{0}/gone"),
    (["--dataset=digits", "--classes=1,12"], "got '12'"),
    (["--dataset=cifra10", "--config.data_dir={0}"], "cifra10"),
  ],
)
def test_bad_input_ends_with_2(workdir, tmp_path, flags, message):
  write_blobs(tmp_path / "data", each=3)
  write_blobs(tmp_path / "one", each=3, skip=("red", "green", "grey"))
  (tmp_path / "empty").mkdir()
  flags = [flag.format(tmp_path) for flag in flags]
  given = (f"--config.data_dir={tmp_path / 'data'}", *flags)
  if "--dataset" in flags[0]:
    given = flags
  result = call("--mode=probe", f"--workdir={workdir}", *given)
  assert result.code == 2, result.out
  assert message.format(tmp_path) in result.err, result.err
