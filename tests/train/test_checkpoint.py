"""Checkpoints: round trips, retention, mismatches, damage."""

import os
import shutil
import threading
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np
import optax
import orbax.checkpoint as ocp
import pytest

from vision_jax.core.state import Average, TrainState
from vision_jax.train.checkpoint.checkpoints import (
  CheckpointError,
  CheckpointMismatch,
  Checkpoints,
)


def make_state(step, width=4, impl="threefry2x32"):
  """A state whose every leaf depends on the step."""
  params = {
    "model": {
      "conv1": {"kernel": jnp.full((3, 3, width), step, jnp.float32)},
      "head": {"bias": jnp.arange(width, dtype=jnp.bfloat16) + step},
    }
  }
  return TrainState(
    step=jnp.int32(step),
    key=jax.random.key(step, impl=impl),
    params=params,
    stats={"model": {"norm": {"mean": jnp.full(width, -step, jnp.float32)}}},
    opt_state={"model": optax.adamw(0.1).init(params["model"])},
    ema=Average(params=params, stats={}, count=jnp.int32(step)),
    bad_step=jnp.int32(-1),
  )


def numbers(tree):
  is_key = lambda x: jax.dtypes.issubdtype(x.dtype, jax.dtypes.prng_key)
  return jax.tree.map(
    lambda x: np.asarray(jax.random.key_data(x) if is_key(x) else x), tree
  )


def assert_same(got, expected):
  assert jax.tree.structure(got) == jax.tree.structure(expected)
  jax.tree.map(np.testing.assert_array_equal, numbers(got), numbers(expected))
  jax.tree.map(lambda a, b: a.dtype == b.dtype or pytest.fail(), got, expected)


def save_all(folder, steps, metrics=None, **options):
  with Checkpoints(folder, **options) as checkpoints:
    for step in steps:
      metric = {} if metrics is None else {"val/accuracy": metrics[step]}
      assert checkpoints.save(step, make_state(step), metric, {"seed": step})


@pytest.mark.parametrize("impl", ["threefry2x32", "rbg"])
def test_round_trip_is_exact(tmp_path, impl):
  state = make_state(7, impl=impl)
  with Checkpoints(tmp_path / "c") as checkpoints:
    checkpoints.save(7, state, None, {"batch_size": 32, "shape": [1, 2]})
  with Checkpoints(tmp_path / "c") as checkpoints:
    got, extra = checkpoints.restore(make_state(0, impl=impl))
  assert_same(got, state)
  assert jax.random.key_impl(got.key) == jax.random.key_impl(state.key)
  assert extra == {"batch_size": 32, "shape": [1, 2]}


def test_restores_into_shapes_alone(tmp_path):
  save_all(tmp_path, [1])
  here = jax.sharding.SingleDeviceSharding(jax.devices()[1])
  target = jax.eval_shape(make_state, 0)
  target = jax.tree.map(
    lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=here), target
  )
  with Checkpoints(tmp_path) as checkpoints:
    got, _ = checkpoints.restore(target)
  assert_same(got, make_state(1))
  assert {x.sharding for x in jax.tree.leaves(got)} == {here}


def test_state_may_be_donated_once_saved(tmp_path):
  square = jax.jit(lambda x: x * 0 - 1, donate_argnums=0)
  state = {"x": jnp.arange(1e6)}
  with Checkpoints(tmp_path) as checkpoints:
    checkpoints.save(1, state)
    state = jax.tree.map(square, state)
    got, _ = checkpoints.restore(state)
  np.testing.assert_array_equal(got["x"], np.arange(1e6, dtype=np.float32))


def test_no_step_waits_for_what_is_being_written(tmp_path):
  """As long as somebody holds an array's own memory, no step can have it."""
  state = {"a": jnp.arange(2.0**20), "key": jax.random.key(0)}
  expected, held = np.asarray(state["a"]).copy(), []
  step = jax.jit(lambda x: x | {"a": x["a"] + 1}, donate_argnums=0)
  with Checkpoints(tmp_path, best=None) as checkpoints:
    hold = lambda manager, step, args, **rest: held.append(
      jax.tree.map(np.asarray, args["state"].item)
    )
    with mock.patch.object(ocp.CheckpointManager, "save", hold):
      checkpoints.save(1, state)
    running = threading.Thread(
      target=lambda: jax.block_until_ready(step(state)), daemon=True
    )
    running.start()
    running.join(60)
    waits = running.is_alive()
    np.testing.assert_array_equal(held[0]["a"], expected)
    held.clear()
    running.join()
  assert not waits


def spread(count, spec, state):
  """The state on the first `count` devices, big leaves split on an axis."""
  mesh = jax.sharding.Mesh(np.array(jax.devices()[:count]), ("fsdp",))
  put = lambda x: jax.device_put(
    x, jax.NamedSharding(mesh, spec if x.shape == (8, 16) else jax.P())
  )
  return jax.tree.map(put, state)


@pytest.mark.parametrize("before, after", [(8, 4), (4, 8), (8, 1), (1, 8)])
def test_restores_onto_other_devices(tmp_path, before, after):
  make = lambda x: {"w": jnp.arange(128.0).reshape(8, 16) * x, "b": jnp.ones(3),
                    "key": jax.random.key(5)}  # fmt: skip
  with Checkpoints(tmp_path) as checkpoints:
    checkpoints.save(1, spread(before, jax.P("fsdp"), make(1)))
  target = spread(after, jax.P(None, "fsdp"), make(0))
  with Checkpoints(tmp_path) as checkpoints:
    got, _ = checkpoints.restore(target)
  assert_same(got, make(1))
  same = lambda a, b: a.sharding.is_equivalent_to(b.sharding, a.ndim)
  assert all(jax.tree.leaves(jax.tree.map(same, got, target)))


ACCURACY = {1: 0.2, 2: 0.9, 3: 0.9, 4: 0.1, 5: 0.3, 6: 0.2}
RETENTION = {
  "newest only": ({"best": None}, [6]),
  "best and newest": ({}, [3, 6]),
  "two best": ({"keep_best": 2}, [2, 3, 6]),
  "lowest": ({"best": ("val/accuracy", "min")}, [4, 6]),
  "regular": ({"best": None, "keep_every": 2}, [2, 4, 6]),
  "all": ({"keep_best": 1, "keep_every": 5}, [3, 5, 6]),
  "unmeasured": ({"best": ("val/loss", "min")}, [6]),
}


@pytest.mark.parametrize("resumed", [False, True], ids=["one run", "resumed"])
@pytest.mark.parametrize("name", RETENTION)
def test_retention(tmp_path, name, resumed):
  options, kept = RETENTION[name]
  for steps in [[x] for x in ACCURACY] if resumed else [list(ACCURACY)]:
    save_all(tmp_path, steps, ACCURACY, **options)
  with Checkpoints(tmp_path, **options) as checkpoints:
    assert checkpoints.steps == kept
    assert checkpoints.latest == 6
    assert sorted(int(x) for x in os.listdir(tmp_path)) == kept


def test_newest_is_kept_and_resumed_though_worst(tmp_path):
  save_all(tmp_path, range(1, 7), {x: 1 / x for x in range(1, 7)})
  with Checkpoints(tmp_path) as checkpoints:
    assert (checkpoints.best, checkpoints.latest) == (1, 6)
    for which, step in {"latest": 6, "best": 1, 1: 1, "6": 6}.items():
      got, extra = checkpoints.restore(make_state(0), which)
      assert (int(got.step), extra) == (step, {"seed": step})


@pytest.mark.parametrize("late, best", [(0.9, 2), (0.3, 1)])
def test_a_step_measured_after_its_save_can_be_best(tmp_path, late, best):
  with Checkpoints(tmp_path) as checkpoints:
    checkpoints.save(1, make_state(1), {"val/accuracy": 0.5})
    checkpoints.save(2, make_state(2), {})
    checkpoints.measure(2, {"val/accuracy": late, "val/loss": float("nan")})
    assert checkpoints.best == best
    checkpoints.save(3, make_state(3), {"val/accuracy": 0.1})
  with Checkpoints(tmp_path) as checkpoints:
    assert (checkpoints.best, checkpoints.steps) == (best, [best, 3])


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_not_finite_is_never_best(tmp_path, bad):
  save_all(tmp_path, [1, 2, 3], {1: 0.1, 2: bad, 3: 0.05})
  with Checkpoints(tmp_path) as checkpoints:
    assert checkpoints.best == 1
    assert checkpoints.steps == [1, 3]


def test_saving_a_step_again(tmp_path):
  with Checkpoints(tmp_path) as checkpoints:
    assert checkpoints.save(3, make_state(3))
    assert checkpoints.save(5, make_state(5))
    assert not checkpoints.save(5, make_state(6))
    with pytest.raises(CheckpointError, match="step 5; got step 4"):
      checkpoints.save(4, make_state(4))
    assert int(checkpoints.restore(make_state(0))[0].step) == 5


def test_mismatch_names_the_arrays(tmp_path, capfd):
  save_all(tmp_path, [1], {1: 0.5})
  target = make_state(0, width=6)
  target.params["model"]["extra"] = jnp.ones(2)
  with (
    Checkpoints(tmp_path) as checkpoints,
    pytest.raises(CheckpointMismatch) as error,
  ):
    checkpoints.restore(target)
  message = str(error.value)
  for line in (
    "params/model/conv1/kernel: got float32[3,3,4], expected float32[3,3,6]",
    "params/model/extra: absent, expected float32[2]",
    "Fix:",
    "more",
  ):
    assert line in message
  assert len(message.splitlines()) < 15
  assert capfd.readouterr().err == ""


def test_mismatch_in_dtype_and_surplus(tmp_path):
  with Checkpoints(tmp_path) as checkpoints:
    checkpoints.save(1, {"a": jnp.ones(2), "b": jnp.ones(3)})
    with pytest.raises(CheckpointMismatch, match=r"2 of 2 arrays differ") as e:
      checkpoints.restore({"a": jnp.ones(2, jnp.int32)})
  assert "a: got float32[2], expected int32[2]" in str(e.value)
  assert "b: got float32[3], expected none" in str(e.value)


@pytest.mark.parametrize("which", ["latest", "best", 3, "worst"])
def test_missing_checkpoint(tmp_path, which):
  for read_only in (False, True):
    with Checkpoints(tmp_path / "none", read_only=read_only) as checkpoints:
      assert (checkpoints.latest, checkpoints.best) == (None, None)
      with pytest.raises(CheckpointError, match="it has none"):
        checkpoints.restore(make_state(0), which)
  save_all(tmp_path, [1])
  if which != "latest":
    with (
      Checkpoints(tmp_path) as checkpoints,
      pytest.raises(CheckpointError, match=r"it has steps \[1\]"),
    ):
      checkpoints.restore(make_state(0), which)


@pytest.mark.parametrize(
  "options", [{"best": ("a", "high")}, {"keep_best": 0}, {"keep_every": 0}]
)
def test_bad_options(tmp_path, options):
  with pytest.raises(ValueError, match="expected"):
    Checkpoints(tmp_path, **options)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
  folder = tmp_path_factory.mktemp("saved") / "c"
  save_all(folder, [1, 2], {1: 0.9, 2: 0.5})
  return folder


FILES = ["state/manifest.ocdbt", "state/_METADATA", "state/_sharding",
         "state/d/*", "state/array_metadatas/process_0", "extra/metadata",
         "metrics/metrics", "_CHECKPOINT_METADATA"]  # fmt: skip
HARMS = {
  "deleted": lambda f: f.unlink(),
  "half": lambda f: f.write_bytes(f.read_bytes()[: f.stat().st_size // 2]),
  "empty": lambda f: f.write_bytes(b""),
}


@pytest.mark.parametrize("harm", HARMS)
@pytest.mark.parametrize("pattern", FILES)
def test_damage_falls_back_or_does_no_harm(
  saved, tmp_path, pattern, harm, capfd
):
  folder = tmp_path / "c"
  shutil.copytree(saved, folder)
  files = list((folder / "2").glob(pattern))
  assert files
  for file in files:
    HARMS[harm](file)
  with Checkpoints(folder) as checkpoints:
    got, extra = checkpoints.restore(make_state(0))
    step = int(got.step)
    assert_same(got, make_state(step))
    assert extra == {"seed": step}
    assert checkpoints.damaged == (() if step == 2 else (2,))
    assert checkpoints.latest == step
    assert (folder / "damaged-2").exists() == (step == 1)
    assert "Traceback" not in capfd.readouterr().err
    assert checkpoints.save(step + 1, make_state(step + 1))  # goes on
  with Checkpoints(folder) as checkpoints:
    assert int(checkpoints.restore(make_state(0))[0].step) == step + 1
    assert checkpoints.best == 1


def test_damage_is_logged(saved, tmp_path, caplog):
  folder = tmp_path / "c"
  shutil.copytree(saved, folder)
  shutil.rmtree(folder / "2" / "state" / "d")
  with Checkpoints(folder, read_only=True) as checkpoints:
    with pytest.raises(CheckpointError, match="tried step 2 "):
      checkpoints.restore(make_state(0), 2)
    checkpoints.restore(make_state(0))
    assert checkpoints.damaged == (2,)
    assert checkpoints.steps == [1, 2]  # read-only: left as it is
  assert "step 2" in caplog.text and "falling back to step 1" in caplog.text
  shutil.rmtree(folder / "1" / "state")
  with (
    Checkpoints(folder) as checkpoints,
    pytest.raises(CheckpointError, match="tried step 2, 1 "),
  ):
    checkpoints.restore(make_state(0))
  assert sorted(os.listdir(folder)) == ["1", "2"]  # nothing renamed


def test_a_mismatch_is_not_damage(tmp_path):
  save_all(tmp_path, [1], {1: 0.5})
  with Checkpoints(tmp_path) as checkpoints:
    checkpoints.save(2, {"other": jnp.ones(2)})
    with pytest.raises(CheckpointMismatch):
      checkpoints.restore(make_state(0))


def test_read_only_leaves_another_runs_save_alone(tmp_path):
  save_all(tmp_path, [1])
  unfinished = tmp_path / "2.orbax-checkpoint-tmp"
  unfinished.mkdir()
  Checkpoints(tmp_path, read_only=True).close()
  assert unfinished.exists()
  with Checkpoints(tmp_path) as checkpoints:
    checkpoints.save(2, make_state(2))
  assert not unfinished.exists()
