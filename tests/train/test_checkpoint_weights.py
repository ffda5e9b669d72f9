"""Weights of another run, checkpoint or file: read_weights."""

import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.flax import save_file

from vision_jax.core.state import Average, TrainState
from vision_jax.experiment import Eval, Experiment
from vision_jax.train.checkpoint.checkpoints import Checkpoints
from vision_jax.train.checkpoint.errors import (
  CheckpointError,
  CheckpointMismatch,
)
from vision_jax.train.checkpoint.weights import read_weights


def restore_weights(path, target, which="latest", weights="raw"):
  """The weights of one kind."""
  best = ("val/accuracy", "max")
  kinds = (weights,)
  _, found = read_weights(path, target, which=which, kinds=kinds, best=best)
  return found[weights]


def nets(scale, width=4):
  """Parameters and statistics of two nets."""
  net = lambda x: {"conv": {"kernel": jnp.full((3, width), x, jnp.float32)}}
  return (
    {"generator": net(scale), "critic": net(scale + 0.5)},
    {"generator": {"norm": {"mean": jnp.full(width, -scale)}}},
  )


def make_state(step):
  params, stats = nets(float(step))
  average = nets(step + 100.0)
  return TrainState(
    step=jnp.int32(step),
    key=jax.random.key(0),
    params=params,
    stats=stats,
    opt_state={},
    ema=Average(
      params={"generator": average[0]["generator"]},
      stats=average[1],
      count=jnp.int32(step),
    ),
    bad_step=jnp.int32(-1),
  )


def file_of(state, path):
  """The state's weights in a safetensors file."""
  flat, _ = jax.tree_util.tree_flatten_with_path(
    {"params": state.params, "stats": state.stats,
     "ema": {"params": state.ema.params, "stats": state.ema.stats}}
  )  # fmt: skip
  join = lambda keys: "/".join(key.key for key in keys)
  save_file({join(keys): leaf for keys, leaf in flat}, path)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
  """A workdir with steps 1 (best) and 2, and a file of step 2."""
  folder = tmp_path_factory.mktemp("run")
  with Checkpoints(folder / "checkpoints") as checkpoints:
    checkpoints.save(1, make_state(1), {"val/accuracy": 0.9})
    checkpoints.save(2, make_state(2), {"val/accuracy": 0.1})
  file_of(make_state(2), folder / "weights.safetensors")
  return folder


def assert_same(got, expected):
  assert jax.tree.structure(got) == jax.tree.structure(expected)
  jax.tree.map(np.testing.assert_array_equal, got, expected)


PLACES = ["", "checkpoints", "checkpoints/2", "weights.safetensors"]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("weights", ["raw", "ema"])
def test_every_place(run, place, weights):
  got = restore_weights(run / place, nets(0.0), weights=weights)
  assert_same(got, make_state(2).weights(weights))


@pytest.mark.parametrize("which, step", [("best", 1), ("latest", 2), (1, 1)])
def test_which_checkpoint(run, which, step):
  got = restore_weights(run, nets(0.0), which=which)
  assert_same(got, nets(float(step)))


@pytest.mark.parametrize("place", PLACES)
def test_casts_and_places(run, place):
  here = jax.sharding.SingleDeviceSharding(jax.devices()[2])
  target = jax.tree.map(
    lambda x: jax.ShapeDtypeStruct(x.shape, jnp.bfloat16, sharding=here),
    nets(0.0),
  )
  got = restore_weights(run / place, target)
  for leaf in jax.tree.leaves(got):
    assert (leaf.dtype, leaf.sharding) == (jnp.bfloat16, here)
  expected = jax.tree.map(lambda x: x.astype(jnp.bfloat16), nets(2.0))
  assert_same(got, expected)


@pytest.mark.parametrize("place", PLACES)
def test_another_model(run, place):
  params, stats = nets(0.0, width=6)
  del params["critic"]
  with pytest.raises(CheckpointMismatch) as error:
    restore_weights(run / place, (params, stats))
  message = str(error.value)
  assert "3 of 3 arrays differ" in message
  assert "critic/conv/kernel: got float32[3,4], expected none" in message
  assert (
    "generator/conv/kernel: got float32[3,4], expected float32[3,6]" in message
  )


def test_no_averages(tmp_path):
  state = make_state(1)
  state = state.replace(ema=Average(params={}, stats={}, count=jnp.int32(0)))
  with Checkpoints(tmp_path) as checkpoints:
    checkpoints.save(1, state)
  with pytest.raises(CheckpointError, match="no averaged weights"):
    restore_weights(tmp_path, nets(0.0), weights="ema")


@pytest.mark.parametrize(
  "place, words",
  [
    ("absent", "expected a workdir"),
    ("empty", "expected a workdir"),
    ("absent.safetensors", "no such file"),
    ("torn.safetensors", "cannot be read"),
    ("damaged", "tried step 3"),
  ],
)
def test_nothing_to_read(tmp_path, place, words):
  (tmp_path / "empty").mkdir()
  (tmp_path / "torn.safetensors").write_bytes(b"12")
  (tmp_path / "damaged" / "3" / "state").mkdir(parents=True)
  with pytest.raises(CheckpointError, match=words):
    restore_weights(tmp_path / place, nets(0.0))


def test_unknown_weights(run):
  with pytest.raises(ValueError, match="expected 'raw' or 'ema'"):
    restore_weights(run, nets(0.0), weights="mean")


def test_damage_falls_back(run, tmp_path, caplog):
  shutil.copytree(run, tmp_path / "run")
  shutil.rmtree(tmp_path / "run" / "checkpoints" / "2" / "state" / "d")
  for _ in range(2):  # it only reads: nothing is renamed
    got = restore_weights(tmp_path / "run", nets(0.0))
    assert_same(got, nets(1.0))
  assert "falling back to step 1" in caplog.text
  with pytest.raises(CheckpointError, match="tried step 2"):
    restore_weights(tmp_path / "run", nets(0.0), which=2)


@pytest.mark.parametrize(
  ("best", "measured", "expected"),
  [
    (("val/accuracy", "max"), ("raw", "ema"), "raw"),
    (("val/ema/ap50", "max"), ("raw", "ema"), "ema"),
    (None, ("raw", "ema"), "ema"),
    (None, ("ema",), "ema"),
    (None, ("raw",), "raw"),
  ],
)
def test_the_weights_that_stand_for_a_run(best, measured, expected):
  evals = {"val": Eval(None, {}, weights=measured)}
  experiment = Experiment(None, {}, None, evals, ema={"model": 0.9}, best=best)
  assert experiment.weights == expected
