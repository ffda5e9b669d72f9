"""Depth: the loss and the metrics by hand, what has none, files in and out."""

import io
import json
import types

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from PIL import Image

from tests.data_fixtures import encode, random_image
from tests.programs.halves import run_halves
from tests.tables import deep_images, small_depth
from vision_jax.core.state import create_state
from vision_jax.core.step import make_train_step
from vision_jax.data.errors import DataError
from vision_jax.data.transforms.depth import decode_depth
from vision_jax.data.transforms.image import decode
from vision_jax.experiment import Predict
from vision_jax.losses.depth import scale_invariant_log
from vision_jax.metrics.depth import DepthErrors
from vision_jax.models.segmentation.unet import UNet
from vision_jax.recipe import recipe
from vision_jax.tasks.depth import Depth
from vision_jax.viz.heat import depth_colours

RNG = np.random.default_rng(0)
FOUND = RNG.uniform(1, 9, (4, 5, 6)).astype(np.float32)
TRUTH = (FOUND * RNG.uniform(0.6, 1.6, FOUND.shape)).astype(np.float32)
TRUTH[0, :2], TRUTH[1, 1, :3] = 0, np.nan
TRUTH[2, 3], TRUTH[1, 0, 0] = np.inf, -1
TRUTH[3] = 0  # an image without depth


def known(i):
  return np.isfinite(TRUTH[i]) & (TRUTH[i] > 0)


@pytest.mark.parametrize("balance", [0.0, 0.5, 1.0])
def test_the_loss_is_that_of_all_pairs(balance):
  """Half the mean over pairs of squared differences is the scale-free part."""
  log = jnp.log(FOUND)
  got, counts = scale_invariant_log(log, TRUTH, balance)
  scaled, _ = scale_invariant_log(log + 0.7, TRUTH, balance)
  for i in range(3):
    d = np.log(FOUND[i][known(i)]) - np.log(TRUTH[i][known(i)])
    pairs = ((d[:, None] - d[None]) ** 2).mean() / 2
    expected = balance * pairs + (1 - balance) * (d**2).mean()
    assert got[i] == pytest.approx(expected, rel=1e-5)
    assert (abs(scaled[i] - got[i]) < 1e-5) == (balance == 1)
  np.testing.assert_array_equal(counts, [1, 1, 1, 0])
  assert got[3] == 0
  grad = jax.grad(lambda x: scale_invariant_log(x, TRUTH)[0].sum())(log)
  there = np.stack([known(i) for i in range(4)])
  assert np.isfinite(grad).all() and not np.asarray(grad)[~there].any()


def test_the_metrics_are_those_of_numpy():
  mask = np.array([1, 1, 0, 1], np.float32)
  metric = DepthErrors()
  batch = {"depth": jnp.asarray(TRUTH), "mask": jnp.asarray(mask)}
  sums, rows = jax.jit(lambda b: metric.measure((), {"depth": FOUND}, b))(batch)
  got, each = metric.result(jax.device_get(sums), rows), []
  for i in (0, 1):  # of the others one is padding, and one has no depth
    a, b = (x[i][known(i)].astype(float) for x in (FOUND, TRUTH))
    ratio = np.maximum(a / b, b / a)
    each.append(
      {
        "abs_rel": (abs(a - b) / b).mean(),
        "rmse": ((a - b) ** 2).mean() ** 0.5,
        "rmse_log": ((np.log(a) - np.log(b)) ** 2).mean() ** 0.5,
        "log10": abs(np.log10(a) - np.log10(b)).mean(),
        **{f"delta{k}": (ratio < 1.25**k).mean() for k in (1, 2, 3)},
      }
    )
  expected = {name: (each[0][name] + each[1][name]) / 2 for name in each[0]}
  assert got == pytest.approx(expected, rel=1e-5)
  assert sorted(metric.names) == sorted(got)
  with pytest.raises(ValueError, match="no pixel has one; expected values"):
    none = {"depth": jnp.zeros((1, 2, 2)), "mask": jnp.ones(1)}
    sums, _ = metric.measure((), {"depth": jnp.ones((1, 2, 2))}, none)
    metric.result(jax.device_get(sums), {})


@pytest.mark.slow
def test_it_learns_a_batch_by_heart():
  task, batch = small_depth(), deep_images(4, 0)
  optimizers = {"model": optax.adam(1e-2)}
  make = lambda: create_state(task, optimizers, jax.random.key(0), batch)
  state, step = jax.jit(make)(), jax.jit(make_train_step(task, optimizers))
  losses = []
  for _ in range(40):
    state, logs = step(state, batch)
    losses.append(float(logs["loss"]))
  assert losses[-1] < 0.2 * losses[0]
  found = task.predict(state.params, state.stats, batch, None)["depth"]
  assert found.shape == batch["depth"].shape and found.min() > 0


class Fixed:
  """A task whose depth is the red channel, in decimetres."""

  def predict(self, params, stats, batch, key):
    return {"depth": batch["image"][..., 0].astype(jnp.float32) / 10 + 0.1}


def test_predictions_are_millimetres_in_16_bits_and_colours(tmp_path):
  (tmp_path / "in").mkdir()
  pixels = random_image(9, 14, seed=1)
  (tmp_path / "in" / "a.png").write_bytes(encode(pixels, "PNG"))
  made = types.SimpleNamespace(
    task=Fixed(),
    inputs=lambda batch: batch,
    predict=Predict([decode(3)], formats=("depth",)),
  )
  run_halves(made, tmp_path / "in", tmp_path / "out")
  (line,) = (tmp_path / "out" / "predictions.jsonl").read_text().splitlines()
  line = json.loads(line)
  assert line["depth_unit"] == 0.001
  depth = np.array(Image.open(line["depth"]))
  assert depth.dtype == np.uint16
  np.testing.assert_allclose(
    depth, 100 * pixels[..., 0].astype(float) + 100, atol=1
  )
  assert line["depths"]["farthest"] == pytest.approx(depth.max() / 1000)
  colours = np.array(Image.open(line["depth_colours"]))
  assert colours.shape == (9, 14, 3)
  near, far = (
    colours.reshape(-1, 3)[f(depth)].astype(int) for f in (np.argmin, np.argmax)
  )
  assert near[0] > near[2] and far[2] > far[0]  # red, blue


def test_no_depth_is_black():
  depth = np.array([[0.0, np.nan], [1.0, 4.0]])
  colours = depth_colours(depth)
  assert not colours[0].any() and colours[1].any(-1).all()
  assert not depth_colours(np.zeros((2, 2))).any()


def npy(array):
  file = io.BytesIO()
  np.save(file, array)
  return file.getvalue()


def test_maps_are_read_in_their_unit():
  whole = RNG.integers(0, 60_000, (4, 5)).astype(np.uint16)
  image = np.zeros((4, 5, 3), np.uint8)
  read = lambda data, unit: decode_depth(unit)(
    {"image": image, "target": data, "target_name": "a"}, None
  )["depth"]
  got = read(encode(whole, "PNG"), 1 / 256)
  np.testing.assert_allclose(got, whole / 256, rtol=1e-6)
  metres = np.array(whole / 7, np.float32)
  metres[0, 0] = np.nan
  np.testing.assert_array_equal(read(npy(metres), 1.0), metres)
  with pytest.raises(DataError, match=r"depth a: is \(3, 5\) .*\(4, 5\); exp"):
    read(encode(whole[:3], "PNG"), 1.0)
  with pytest.raises(DataError, match="depth_unit: got 0"):
    decode_depth(0)


PATH = "configs/depth/scenes_depth.py:tiny"


def test_a_folder_of_maps(tmp_path):
  for part in ("images", "depths"):
    (tmp_path / part).mkdir()
  for i in range(10):
    data = encode(random_image(20, 18, seed=i), "PNG")
    (tmp_path / "images" / f"{i}.png").write_bytes(data)
    depth = np.full((20, 18), 1000 + i, np.uint16)
    (tmp_path / "depths" / f"{i}.png").write_bytes(encode(depth, "PNG"))
  given = {"dataset": "folder", "data_dir": str(tmp_path)}
  built = recipe.load(PATH, given).build()
  batch = built.train_data.batch(0)
  assert batch["depth"].shape == (8, 16, 16)
  assert set(np.unique(batch["depth"])) <= {
    np.float32((1000 + i) * 0.001) for i in range(10)
  }
  assert set(built.evals) == {"val"}


@pytest.mark.parametrize(
  ("values", "message"),
  [
    ({"dataset": "nyu"}, "--config.dataset: got 'nyu'; expected folder or sc"),
    ({"dataset": "folder"}, "expected a folder of images and one of maps"),
    ({"scenes": "0,1,1"}, r"--config.scenes: got \(0, 1, 1\); expected how"),
    ({"depth_unit": "0"}, "--config.depth_unit: got 0.0; expected more than"),
    ({"invariance": "2"}, "--config.invariance: got 2.0; expected 0 to 1"),
    ({"typical": "0"}, "--config.typical: got 0.0; expected more than 0"),
  ],
)
def test_values_that_cannot_be_are_named(values, message):
  with pytest.raises(ValueError, match=message):
    recipe.load(PATH, values).build().train_data.batch(0)


def test_a_net_that_does_not_cover_the_image_is_named():
  batch = deep_images(2, 0)
  task = Depth(UNet(2, width=4, depth=1))
  params, stats = jax.jit(task.init)(jax.random.key(0), batch)
  with pytest.raises(ValueError, match=r"the net gives \(2, 8, 8, 2\) for"):
    task.predict(params, stats, batch, None)
  with pytest.raises(ValueError, match="expected a depth above 0"):
    Depth(UNet(1), typical=0.0)
