"""Objects found by polygons and by borders."""

import flax.linen as nn
import jax
import numpy as np
import pytest

from tests.experiments.everywhere import (
  assert_equal_everywhere,
  assert_resumes,
)
from vision_jax.data.sources.discs import Discs
from vision_jax.errors import UserError
from vision_jax.metrics.instances import InstancePrecision, matches
from vision_jax.models.segmentation.unet import UNet
from vision_jax.ops.instances import borders
from vision_jax.ops.star_polygons import object_probs, ray_distances
from vision_jax.recipe import recipe
from vision_jax.tasks.bordered_objects import BorderedObjects
from vision_jax.tasks.star_polygons import StarPolygons

PATH = "configs/instance/nuclei_stardist.py:tiny"
KEY = jax.random.key(0)


class Given(nn.Module):
  """A net that gives what it is given."""

  @nn.compact
  def __call__(self, x, *, train, mask=None):
    return x


def discs(number, size=64, most=12):
  found = Discs("train", number, size=size, most=most).read(np.arange(number))
  return np.stack([x["instances"] for x in found])


def batch_of(numbers, image):
  b = len(numbers)
  return {
    "image": np.asarray(image, np.float32),
    "instances": np.asarray(numbers, np.int32),
    "mask": np.ones(b, np.float32),
    "index": np.arange(b, dtype=np.int32),
  }


def learned(numbers, rays=32, typical=10.0):
  """What a net would give that has learned everything."""
  distances = ray_distances(numbers, rays, reach=32)
  probs = np.asarray(object_probs(numbers, distances))
  with np.errstate(divide="ignore"):
    logits = np.clip(np.log(probs / (1 - probs)), -20, 20)
  return np.concatenate([logits[..., None], distances / typical - 1], -1)


@pytest.mark.parametrize("relative", [False, True])
def test_errors_are_in_pixels_or_relative(relative):
  """Of a disc, and of one twice as large, all distances a tenth too long."""
  y, x = np.mgrid[:65, :65] - 32
  numbers = np.stack([np.hypot(x, y) < r for r in (10.0, 20.0)]).astype(int)
  task = StarPolygons(
    Given(), rays=16, grid=1, typical=10.0, relative=relative, reach=32
  )
  wanted = ray_distances(numbers, 16, reach=32)
  image = np.concatenate(
    [np.zeros((2, 65, 65, 1)), 1.1 * wanted / 10.0 - 1], -1
  )
  found = []
  for i in range(2):
    one = batch_of(numbers[i : i + 1], image[i : i + 1])
    terms, _ = task.objectives[0].loss(
      {"model": {}}, {}, one, KEY, step=0, train=False
    )
    found.append(float(terms["distance"].divide()))
  small, large = found
  if relative:
    np.testing.assert_allclose(found, 1.0, rtol=1e-4)  # a tenth of `typical`
  else:
    assert large == pytest.approx(2 * small, rel=0.1)


def scored(truth, found):
  rows = jax.vmap(matches)(truth, found)
  return InstancePrecision().result({}, jax.device_get(rows))


@pytest.mark.slow
def test_polygons_of_the_truth_are_the_truth():
  numbers = discs(8)
  task = StarPolygons(Given(), grid=1, reach=32)
  batch = batch_of(numbers, learned(numbers))
  predict = jax.jit(lambda batch: task.predict({"model": {}}, {}, batch, KEY))
  found = scored(numbers, predict(batch)["instances"])
  assert found["ap50"] > 0.9 and found["sq"] > 0.85
  nothing = predict(batch | {"image": batch["image"] * 0 - 20})
  assert not nothing["instances"].any()


@pytest.mark.slow
def test_two_thousand_objects_at_the_border_too():
  numbers = np.zeros((320, 320), np.int32)
  for i in range(2000):
    y, x = 7 * (i // 45), 7 * (i % 45)
    numbers[y : y + 5, x : x + 5] = i + 1
  numbers = numbers[None]
  task = StarPolygons(Given(), grid=1, reach=8)
  batch = batch_of(numbers, learned(numbers))
  predict = jax.jit(lambda batch: task.predict({"model": {}}, {}, batch, KEY))
  found = scored(numbers, predict(batch)["instances"])
  assert found["objects"] == found["found"] == 2000
  assert found["ap50"] > 0.99


@pytest.mark.slow
def test_borders_of_the_truth_are_the_truth():
  numbers = discs(4, 32)
  border = np.asarray(borders(numbers))
  kind = np.where(numbers > 0, np.where(border, 2, 1), 0)
  task = BorderedObjects(Given(), least=1)
  batch = batch_of(numbers, 20.0 * np.eye(3)[kind])
  predict = jax.jit(lambda batch: task.predict({"model": {}}, {}, batch, KEY))
  assert scored(numbers, predict(batch)["instances"])["ap75"] > 0.75
  terms, _ = task.objectives[0].loss(
    {"model": {}}, {}, batch, KEY, step=0, train=False
  )
  assert float(terms["cross_entropy"].divide()) < 1e-6


@pytest.mark.parametrize(
  "task",
  [
    StarPolygons(UNet(9, width=4, depth=1, patch=2, unfold=False), rays=8),
    BorderedObjects(UNet(3, width=4, depth=1, patch=2)),
  ],
  ids=["star", "border"],
)
def test_an_empty_image_has_a_finite_loss(task):
  batch = batch_of(np.zeros((2, 15, 16)), np.zeros((2, 15, 16, 1)))

  def loss(batch):
    params, stats = task.init(KEY, batch)
    (objective,) = task.objectives
    run = lambda p: objective.loss(p, stats, batch, KEY, step=0, train=True)
    total = lambda p: sum(
      objective.weights[k] * x.divide() for k, x in run(p)[0].items()
    )
    return jax.value_and_grad(total)(params)

  made = jax.eval_shape(loss, batch)
  assert made[0].shape == ()
  found = jax.eval_shape(
    lambda b: task.predict(*task.init(KEY, b), b, KEY), batch
  )
  assert found["instances"].shape == (2, 15, 16)


@pytest.mark.slow
@pytest.mark.parametrize("head", ["star", "border"])
def test_empty_images_train(head):
  loaded = recipe.load(PATH, {"head": head})
  experiment = loaded.build()
  batch = experiment.train_data.batch(0)
  batch = batch | {"instances": np.zeros_like(batch["instances"])}
  state = jax.jit(experiment.initial_state)(KEY, batch)
  after, logs = jax.jit(experiment.train_step())(state, batch)
  assert np.isfinite(float(logs["loss"]))
  finite = lambda x: bool(np.isfinite(np.asarray(x)).all())
  assert all(map(finite, jax.tree.leaves(after.params)))
  experiment.close()


@pytest.mark.slow
@pytest.mark.parametrize("head", ["star", "border"])
def test_a_run_is_one_everywhere(head):
  make = lambda: recipe.load(PATH, {"head": head, "batch_size": "16"}).build()
  assert_equal_everywhere(make, ["fsdp", "pmap"])


@pytest.mark.slow
def test_a_run_resumes(tmp_path):
  make = lambda: recipe.load(PATH, {"batch_size": "16"}).build()
  assert_resumes(make, tmp_path)


def test_values_that_cannot_be_are_named():
  with pytest.raises(UserError, match="expected a probability"):
    StarPolygons(Given(), least=1.0)
  with pytest.raises(UserError, match="got 7 rays; expected an even number"):
    StarPolygons(Given(), rays=7, flip=True)
  with pytest.raises(UserError, match="expected three, of background"):
    BorderedObjects(Given(), class_weights=(1.0,))
  with pytest.raises(UserError, match="did you mean"):
    recipe.load(PATH, {"head": "stars"}).build()
  batch = batch_of(np.zeros((1, 4, 4)), np.zeros((1, 4, 4, 2)))
  for task in (StarPolygons(Given()), BorderedObjects(Given())):
    with pytest.raises(UserError, match="the net gives"):
      task.predict({"model": {}}, {}, batch, KEY)
