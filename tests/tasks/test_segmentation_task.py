"""The segmentation task: terms, what does not count, prediction in tiles."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from tests.tables import segmented_images
from vision_jax.core.state import create_state
from vision_jax.core.step import make_eval_step, make_train_step
from vision_jax.layers.conv import Conv
from vision_jax.losses.segmentation import pixel_cross_entropy
from vision_jax.metrics.segmentation import Segmentation as SegmentationMetric
from vision_jax.models.segmentation.unet import UNet
from vision_jax.ops.tiling import Tiles
from vision_jax.ops.views import Views
from vision_jax.tasks.segmentation import Segmentation

TERMS = {"cross_entropy": 1.0, "dice": 0.5, "jaccard": 0.1, "focal": 0.2}
SAME = UNet(4, width=4, depth=1)
VALID = UNet(4, width=4, depth=1, padding="valid", norm=False)


def loss(task, batch, train=False):
  params, stats = jax.jit(task.init)(jax.random.key(0), batch)
  terms, _ = task.objectives[0].loss(
    params, stats, batch, jax.random.key(1), step=0, train=train
  )
  return {name: float(term.divide()) for name, term in terms.items()}


def test_terms_are_means_over_what_counts():
  task, batch = Segmentation(SAME, TERMS), segmented_images(4, 0)
  real = {k: v[:2] for k, v in batch.items()}
  padded = batch | {"mask": np.array([1, 1, 0, 0], np.float32)}
  padded["target"] = padded["target"].copy()
  padded["target"][2:] = 99  # no class, but it is padding
  expected, got = loss(task, real), loss(task, padded)
  assert set(got) == set(TERMS)
  for name in TERMS:
    np.testing.assert_allclose(got[name], expected[name], rtol=1e-5)
  params, stats = jax.jit(task.init)(jax.random.key(0), real)
  variables = {"params": params["model"], **stats["model"]}
  logits = SAME.apply(variables, real["image"], train=False)
  values = pixel_cross_entropy(logits, jnp.asarray(real["target"]))
  known = real["target"] != 255
  np.testing.assert_allclose(
    got["cross_entropy"], np.asarray(values)[known].mean(), rtol=1e-5
  )


def test_class_weights_weigh_pixels():
  batch = segmented_images(2, 1)
  weights = (0.0, 0.0, 1.0, 0.0)
  weighted = loss(Segmentation(SAME, class_weights=weights), batch)
  target = np.where(batch["target"] == 2, 2, 255).astype(np.uint8)
  alone = loss(Segmentation(SAME), batch | {"target": target})
  np.testing.assert_allclose(
    weighted["cross_entropy"], alone["cross_entropy"], rtol=1e-5
  )


def test_valid_logits_train_on_the_middle_and_predict_in_tiles():
  batch = segmented_images(2, 2, image=(20, 20))  # 20 gives 4
  task = Segmentation(VALID)
  middle = batch["target"][:, 8:12, 8:12].copy()
  framed = np.full_like(batch["target"], 255)
  framed[:, 8:12, 8:12] = middle
  whole = loss(task, batch, train=True)
  np.testing.assert_allclose(
    whole["cross_entropy"],
    loss(task, batch | {"target": framed}, train=True)["cross_entropy"],
    rtol=1e-6,
  )
  params, stats = jax.jit(task.init)(jax.random.key(0), batch)
  with pytest.raises(ValueError, match="predicts through `tiles`"):
    task.predict(params, stats, batch, None)
  tiles = Tiles((24, 24), (8, 8), margin=8)
  out = task.sliding(tiles)(params, stats, batch, None)
  assert out["target"].shape == (2, 20, 20)
  assert out["target"].dtype == jnp.uint8
  assert set(loss(Segmentation(VALID, tiles=tiles), batch)) == {"cross_entropy"}


def test_it_overfits_one_batch_and_the_metrics_show_it():
  task, batch = Segmentation(UNet(4, width=8, depth=1)), segmented_images(4, 3)
  optimizers = {"model": optax.adam(1e-2)}
  make = lambda: create_state(task, optimizers, jax.random.key(0), batch)
  state = jax.jit(make)()
  step = jax.jit(make_train_step(task, optimizers))
  for _ in range(60):
    state, _ = step(state, batch)
  metrics = {"segmentation": SegmentationMetric(4)}
  sums, _, _ = jax.jit(make_eval_step(task, metrics))(
    state.params,
    state.stats,
    {"segmentation": ()},
    batch,
    jax.random.key(0),
  )
  got = metrics["segmentation"].result(sums["segmentation"], {})
  assert got["miou"] > 0.9


@pytest.mark.parametrize(
  ("given", "message"),
  [
    ({"terms": {"lovas": 1.0}}, "terms: got 'lovas'; did you mean 'lovasz'"),
    ({"terms": {}}, "terms: got none; expected some of cross_entropy, focal"),
    ({"ohem_share": 1.5}, r"got threshold 0.7 and share 1.5; expected both in"),
  ],
)
def test_losses_that_are_none_are_named(given, message):
  with pytest.raises(ValueError, match=message):
    Segmentation(SAME, **given)


class One(nn.Module):
  """One convolution, which sees a pixel's neighbours."""

  @nn.compact
  def __call__(self, x, *, train, mask=None):
    return Conv(4, 3, use_bias=True)(x)


VIEWS = Views((0.5, 1.0, 1.4), flip=True)


@pytest.mark.parametrize("tiles", [None, Tiles((16, 16), (8, 8))])
def test_views_are_merged_on_probabilities_as_by_hand(tiles):
  """Of 12 x 10 pixels: a window of 16 is larger, whatever the scale."""
  net = One()
  task = Segmentation(net, tiles=tiles, views=VIEWS)
  batch = segmented_images(2, 4, image=(12, 10))
  params, stats = jax.jit(task.init)(jax.random.key(0), batch)
  variables = {"params": params["model"], **stats["model"]}
  logits = lambda x: net.apply(variables, x, train=False)
  seen = lambda x: jax.nn.softmax(tiles(logits, x) if tiles else logits(x))
  size = lambda x, h, w: jax.image.resize(
    x, (2, h, w, x.shape[-1]), "linear", antialias=True
  )

  def by_hand(image):
    found = []
    for h, w in ((6, 5), (12, 10), (17, 14)):
      small = size(image, h, w)
      mirrored = seen(small[:, :, ::-1])[:, :, ::-1]
      found += [size(x, 12, 10) for x in (seen(small), mirrored)]
    return sum(found) / 6

  expected = np.asarray(jax.jit(by_hand)(batch["image"]))
  got = jax.jit(task.probs)(params, stats, batch, None)
  np.testing.assert_allclose(got["probs"], expected, atol=1e-5)
  np.testing.assert_array_equal(got["target"], got["probs"].argmax(-1))
  assert np.abs(np.asarray(seen(batch["image"])) - expected).max() > 1e-3


@pytest.mark.parametrize("scales", [(), (1.0, 0.0), (float("nan"),)])
def test_scales_that_are_none_are_named(scales):
  with pytest.raises(ValueError, match=r"scales of views: got .*above 0"):
    Views(scales)


class Heads(nn.Module):
  """The same logits for each pixel, and another's of two auxiliary heads."""

  auxiliary: bool = True

  @nn.compact
  def __call__(self, x, *, train, mask=None):
    names = ("logits", "first", "second")
    make = lambda name: self.param(name, nn.initializers.normal(1.0), (4,))
    out = {n: jnp.broadcast_to(make(n), (*x.shape[:3], 4)) for n in names}
    return out if train and self.auxiliary else out["logits"]


def test_auxiliary_heads_have_each_term_in_training():
  terms = {"cross_entropy": 1.0, "dice": 0.5}
  task = Segmentation(Heads(), terms, auxiliary=0.4)
  batch = segmented_images(3, 5)
  (objective,) = task.objectives
  assert objective.weights == terms | {
    "auxiliary_cross_entropy": 0.4,
    "auxiliary_dice": 0.2,
  }
  params, _ = task.init(jax.random.key(0), batch)
  alone = Segmentation(Heads(auxiliary=False), terms)

  def of(name):
    """Losses of a net whose logits are a head's."""
    given = {"model": params["model"] | {"logits": params["model"][name]}}
    found, _ = alone.objectives[0].loss(
      given, {}, batch, jax.random.key(1), step=0, train=False
    )
    return {name: float(term.divide()) for name, term in found.items()}

  logits, first, second = (of(n) for n in ("logits", "first", "second"))
  both = {f"auxiliary_{n}": first[n] + second[n] for n in terms}
  assert loss(task, batch, train=True) == pytest.approx(logits | both, rel=1e-5)
  assert loss(task, batch) == pytest.approx(logits, rel=1e-5)


@pytest.mark.parametrize(("heads", "weight"), [(True, 0.0), (False, 0.5)])
def test_a_weight_without_heads_and_heads_without_a_weight(heads, weight):
  task = Segmentation(Heads(heads), auxiliary=weight)
  with pytest.raises(ValueError, match=f"auxiliary: got {weight}, and the"):
    loss(task, segmented_images(2, 0), train=True)
