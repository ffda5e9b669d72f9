"""A classifier's maps: slid and convolutional are one, on any devices."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vision_jax.core.execution import Jit, Pmap
from vision_jax.core.step import make_predict_step
from vision_jax.errors import UserError
from vision_jax.models.segmentation.unet import UNet
from vision_jax.models.segmentation.windows import WindowClassifier, WindowFCN
from vision_jax.tasks.classification import Classification
from vision_jax.tasks.maps import WindowMaps, interpolation

MODEL = WindowClassifier(2, window=28, width=2, depth=2, hidden=4, patch=1)
TASK = Classification(MODEL)
MAPS = WindowMaps.of(MODEL, MODEL.stride)
RNG = np.random.default_rng(0)
IMAGES = RNG.normal(size=(8, 41, 34, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def nets():
  """Weights of which none is as it begins, statistics too."""
  begun = jax.eval_shape(
    TASK.init, jax.random.key(0), {"image": jnp.zeros((2, 28, 28, 3))}
  )
  drawn = lambda x: (
    RNG.uniform(0.1, 0.5, x.shape) * RNG.choice((-1, 1), x.shape)
  )
  params, stats = (jax.tree.map(drawn, x) for x in begun)
  return jax.tree.map(np.float32, (params, jax.tree.map(np.abs, stats)))


def test_the_convolutional_map_is_the_slid_one_at_the_windows(nets):
  assert MODEL.stride == 4
  slid = jax.jit(MAPS.slid_logits)(*nets, IMAGES[:2])
  whole = jax.jit(MAPS.convolutional_logits)(*nets, IMAGES[:2])
  assert slid.shape == whole.shape == (2, 4, 2, 2)
  spread = np.std(slid)
  np.testing.assert_allclose(slid, whole, atol=1e-4 * spread)
  # The window of row 3 and column 1, by itself.
  one = {"image": IMAGES[:2, 12:40, 4:32]}
  alone = TASK.predict(*nets, one, jax.random.key(0))["logits"]
  np.testing.assert_allclose(slid[:, 3, 1], alone, atol=1e-4 * spread)
  assert np.abs(slid[:, 3, 1] - slid[:, 2, 1]).max() > 1e-2 * spread


def test_a_window_stands_at_its_centre():
  weights = interpolation(41, 4, 28, 4)
  assert weights.shape == (41, 4)
  np.testing.assert_allclose(weights.sum(1), 1, atol=1e-6)
  # Centres are at 13.5, 17.5, 21.5 and 25.5.
  np.testing.assert_allclose(weights[14], [0.875, 0.125, 0, 0], atol=1e-6)
  np.testing.assert_allclose(weights[[0, 40]], [[1, 0, 0, 0], [0, 0, 0, 1]])


@pytest.mark.slow
@pytest.mark.parametrize("output", ["slid", "convolutional"])
def test_executions_agree(nets, output):
  batch = {"image": IMAGES, "mask": np.ones(8, np.float32)}
  batch["index"] = np.arange(8, dtype=np.int32)
  step = make_predict_step(TASK, output=getattr(MAPS, output))
  found = []
  for execution in (
    Jit(devices=jax.devices()[:1]),
    Jit({"data": 2, "fsdp": 4}),
    Pmap(),
  ):
    placed = execution.place((nets, jax.random.key(0)))
    program = execution.eval_step(step)
    out = program(*placed[0], (), execution.put(batch), placed[1])
    found.append(jax.device_get(out["probs"]))
  assert found[0].shape == (8, 41, 34, 2)
  for other in found[1:]:
    np.testing.assert_allclose(other, found[0], atol=1e-5)


def test_a_tile_smaller_than_the_window(nets):
  small = {"image": jnp.zeros((1, 41, 20, 3))}
  for output in (MAPS.slid, MAPS.convolutional):
    with pytest.raises(UserError, match="20"):
      jax.eval_shape(output, *nets, small, jax.random.key(0))
  with pytest.raises(UserError, match="41 x 34; expected 28 x 28"):
    jax.eval_shape(TASK.predict, *nets, {"image": IMAGES}, jax.random.key(0))


@pytest.mark.parametrize(
  "fields", [{"window": 15}, {"window": 29, "patch": 2}, {"depth": 4}]
)
def test_windows_of_which_nothing_is_left(fields):
  model = MODEL.clone(**fields)
  side = model.window
  with pytest.raises(UserError, match=f"window: got {side} pixels for "):
    shapes(model, side, side)


def shapes(model, *size):
  image = jnp.zeros((1, *size, 3))
  begin = lambda key: model.init(key, image, train=False)
  found = jax.eval_shape(begin, jax.random.key(0))
  out = jax.eval_shape(lambda v: model.apply(v, image, train=False), found)
  return jax.tree.map(lambda x: x.shape, found["params"]), out.shape


def test_the_nets_on_masks_have_the_classifiers_layers():
  """So that they begin with its weights."""
  same = {"width": 2, "depth": 2, "patch": 2}
  own, _ = shapes(WindowClassifier(2, window=64, hidden=4, **same), 64, 64)
  fcn, out = shapes(WindowFCN(2, window=64, hidden=4, **same), 50, 37)
  assert out == (1, 50, 37, 2)
  unet, _ = shapes(UNet(2, **same), 64, 64)
  for part in ("down0", "down1"):
    assert own[part] == fcn[part] == unet[part]
  assert (
    own["dense"] == fcn["dense"] == {"kernel": (5 * 5 * 4, 4), "bias": (4,)}
  )
