"""Bytes that autodiff keeps, what is live at once, and the table of both."""

import json

import jax
import jax.numpy as jnp
import pytest

from benchmarks import environment
from benchmarks.memory import command
from benchmarks.memory.saved import saved
from vision_jax.layers.remat import MODES
from vision_jax.planning import devices
from vision_jax.planning.liveness import peak_bytes
from vision_jax.recipe import recipe

N = 64
MATRIX = 4 * N * N
SQUARE = jax.ShapeDtypeStruct((N, N), jnp.float32)


def live(fn, *args, donated=0):
  return peak_bytes(jax.make_jaxpr(fn)(*args), donated)


def test_what_is_kept():
  fn = lambda w, x: jnp.sum(jnp.tanh(x @ w) @ w)
  shapes = [(x.shape, str(x.dtype)) for x in saved(fn, SQUARE, SQUARE)]
  assert shapes.count((SQUARE.shape, "float32")) <= 2  # tanh, and 1 - tanh²
  assert not saved(lambda w, x: x @ w, SQUARE, SQUARE)  # arguments are there


def _chain(x):
  for _ in range(4):
    x = x @ x
  return x


@pytest.mark.parametrize(
  ("fn", "donated", "matrices"),
  [
    (lambda x: x @ x, 0, 2),
    (_chain, 0, 3),  # x stays, and two at a time
    (lambda x: jnp.exp(x + 1) * 2 - x, 0, 2),  # one fused expression
    (lambda x: jnp.exp(x + 1) @ x, 0, 3),  # a product reads it from memory
    (lambda x: jnp.sum(x * x + 1), 0, 1),
    (jax.jit(lambda x: jax.nn.relu(x) @ x), 0, 3),  # through calls
    (lambda x: jax.lax.scan(lambda c, _: (c @ c, None), x, None, 3), 0, 3),
  ],
)
def test_what_is_live_at_once(fn, donated, matrices):
  got = live(fn, SQUARE, donated=donated)
  assert matrices * MATRIX <= got < (matrices + 0.5) * MATRIX


def test_a_donated_argument_ends_with_its_last_use():
  chain = lambda x: _chain(x @ x)
  assert live(chain, SQUARE) == 3 * MATRIX
  deep = lambda x, y: _chain(x @ x) @ y
  assert live(deep, SQUARE, SQUARE) == 4 * MATRIX
  assert live(deep, SQUARE, SQUARE, donated=1) == 3 * MATRIX


def test_the_peak_of_a_gradient_is_near_what_xla_plans():
  def loss(weights, x):
    for w in weights:
      x = jnp.tanh(x @ w)
    return jnp.sum(x)

  weights, x = [SQUARE] * 6, jax.ShapeDtypeStruct((16 * N, N), jnp.float32)
  step = jax.grad(loss)
  ours = live(step, weights, x)
  plan = jax.jit(step).lower(weights, x).compile().memory_analysis()
  theirs = (
    plan.argument_size_in_bytes
    + plan.output_size_in_bytes
    + plan.temp_size_in_bytes
  )
  assert 0.7 < ours / theirs < 1.3


def test_a_row_and_its_page(tmp_path):
  path = "configs/classification/mnist_vit.py"
  words = [f"--output={tmp_path}", f"--configs={path}", "--config.depth=1"]
  command.main(words)
  found = json.loads((tmp_path / "memory.json").read_text())
  (row,) = found["rows"]
  assert row["config"] == path and row["batch_size"] == 128
  assert row["saved_bytes"].keys() == {"none", "blocks", "dots"}
  kept, peak = row["saved_bytes"], row["peak_bytes"]
  assert kept["blocks"] < kept["dots"] < kept["none"] < peak["none"]
  assert row["state_bytes"] > 3 * row["gradient_bytes"]  # Adam's two moments
  assert (tmp_path / "memory.md").read_text() == command.page(found)
  assert command.page(found).count("| classification/mnist_vit |") == 3


def test_the_table_that_is_kept_is_of_every_config():
  folder = environment.ROOT / "benchmarks/results"
  found = json.loads((folder / "memory.json").read_text())
  assert (folder / "memory.md").read_text() == command.page(found)
  assert found["git_commit"] and found["versions"]["jax"]
  rows = {row["config"]: row for row in found["rows"]}
  assert list(rows) == command.config_paths()
  for path, row in rows.items():
    config = recipe.load(path, resolve=False).config
    for key in ("batch_size", "accumulate", "dtype"):
      assert row[key] == config[key], f"{path}: run `{found['command']}` again"
    modes = MODES if "remat" in config else ("none",)
    assert tuple(row["peak_bytes"]) == tuple(row["saved_bytes"]) == modes


@pytest.mark.parametrize(
  ("flag", "message"),
  [
    ("--configs=configs/classification/none.py", "there is no file"),
    ("--config.remat=some", "expected none or blocks or dots"),
    ("--depth=3", "--help lists, or --config.KEY=VALUE"),
  ],
)
def test_bad_input(capsys, flag, message):
  path = "--configs=configs/classification/cifar10_resnet20.py"
  with pytest.raises(SystemExit) as stopped:
    command.main([path, flag])
  assert stopped.value.code == 2 and message in capsys.readouterr().err


def test_the_smallest_device():
  assert devices.smallest(10**9) == "V100 16 GB"
  assert devices.smallest(60 * 10**9) == "H100 80 GB"
  assert devices.smallest(10**12) == ""
