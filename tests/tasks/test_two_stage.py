"""Two-stage detection as a task: what it learns from and what it predicts."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.tables import (
  SMALL_TWO_STAGE,
  boxed_images,
  numbered_objects,
  small_instances,
  small_two_stage,
)
from tests.tasks.test_detection import terms_of
from tests.tasks.test_detection_overfit import fit, metrics, scenes
from vision_jax.errors import UserError
from vision_jax.models.backbones.resnet import ResNet
from vision_jax.models.detection import mask_rcnn
from vision_jax.models.detection.faster_rcnn import FasterRCNN
from vision_jax.models.detection.mask_rcnn import MaskRCNN
from vision_jax.tasks.instance_segmentation import InstanceSegmentation
from vision_jax.tasks.two_stage_detection import TwoStageDetection

CASES = {
  "boxes": (small_two_stage, lambda: boxed_images(8, 0, padded=True)),
  "masks": (small_instances, lambda: numbered_objects(8, 0)),
}


def case(name):
  """A task, its initial parameters and a batch."""
  make, batch = CASES[name]
  task, batch = make(), batch()
  return task, *jax.jit(task.init)(jax.random.key(1), batch), batch


@pytest.mark.slow
def test_padding_is_nothing_and_images_without_boxes_teach():
  task, params, stats, batch = case("boxes")
  plain = terms_of(task, params, stats, batch)
  assert all(np.isfinite(x) and x > 0 for x in plain.values())
  hidden = batch["box_mask"] == 0
  assert hidden.all(1).any()  # there are images without boxes
  other = dict(batch, boxes=batch["boxes"].copy())
  other["boxes"][hidden] = np.nan
  assert terms_of(task, params, stats, other) == plain
  none = batch | {"box_mask": np.zeros_like(batch["box_mask"])}
  empty = terms_of(task, params, stats, none)
  assert empty["objectness"] > 0 and empty["class"] > 0
  assert empty["proposal"] == empty["box"] == 0


@pytest.mark.slow
def test_draws_are_of_the_example_and_not_of_its_place():
  """So that a batch in another order, or in shards, learns the same."""
  task, params, stats, batch = case("boxes")
  turned = {k: v[::-1] for k, v in batch.items()}
  found = [terms_of(task, params, stats, x) for x in (batch, turned)]
  for name, value in found[0].items():
    np.testing.assert_allclose(found[1][name], value, rtol=1e-5)


@pytest.mark.slow
def test_every_part_learns_masks_and_what_is_dropped_is_counted():
  task, params, stats, batch = case("masks")
  (objective,) = task.objectives
  key = jax.random.key(0)

  @jax.jit
  def gradient(params, batch):
    def loss(params):
      terms = objective.loss(params, stats, batch, key, step=0, train=True)[0]
      values = {name: term.divide() for name, term in terms.items()}
      return sum(values[k] for k in objective.weights), values

    return jax.grad(loss, has_aux=True)(params)

  grads, terms = gradient(params, batch)
  for path, x in jax.tree_util.tree_leaves_with_path(grads):
    assert np.isfinite(x).all() and np.abs(x).max() > 0, path
  assert terms["dropped"] == 0 and terms["mask"] > 0
  many = np.arange(1, 257, dtype=np.int32).reshape(1, 16, 16).repeat(8, 0)
  _, terms = gradient(params, batch | {"instances": many})
  assert terms["dropped"] == 256 - 3


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_predictions_are_sorted_pixels_of_the_image(name):
  task, params, stats, batch = case(name)
  batch["size"] = np.tile(np.array([[100, 200]], np.int32), (8, 1))
  out = jax.device_get(jax.jit(task.predict)(params, stats, batch, None))
  assert out["boxes"].shape[0] == 8
  assert (np.diff(out["score"]) <= 0).all() and out["score"].max() > 0
  there = out["score"] > 0
  assert not out["boxes"][~there].any() and not out["label"][~there].any()
  assert out["boxes"].min() >= 0
  assert out["boxes"][..., ::2].max() <= 200
  assert out["boxes"][..., 1::2].max() <= 100
  if name == "masks":
    assert out["masks"].shape == (*there.shape, 28, 28)
    assert out["instances"].shape == (8, 16, 16)
    assert out["instances"].max() <= there.sum(1).max()


def test_what_it_refuses():
  with pytest.raises(UserError, match=r"least: got 1\.0; expected a score"):
    TwoStageDetection(None, least=1.0)
  with pytest.raises(UserError, match="threshold: got -1; expected an IoU"):
    TwoStageDetection(None, overlap=-1)
  with pytest.raises(UserError, match="MaskRCNN: got the variant 'R7'; exp"):
    mask_rcnn.variant("R7", 3)
  body = ResNet(0, (1, 1), False, 4)
  model = FasterRCNN(3, body, **SMALL_TWO_STAGE | {"levels": ("c9",)})
  with pytest.raises(UserError, match="has no 'c9'; expected some of c2, c3"):
    image = jnp.zeros((1, 16, 16, 3))
    jax.eval_shape(lambda: model.init(jax.random.key(0), image, train=False))


WIDE = {"features": 32, "hidden": 64, "size": 8, "proposed": (40, 40)}


@pytest.mark.slow
def test_one_scene_is_learned_by_heart():
  body = ResNet(0, (1, 1), False, 16, zero_init=False)
  model = FasterRCNN(10, body, **SMALL_TWO_STAGE | WIDE)
  task, batch = TwoStageDetection(model), scenes(1)
  got = metrics(task, fit(task, batch, 150, 3e-3), batch)
  assert got["ap50"] > 0.99, got


@pytest.mark.slow
def test_masks_of_a_few_images_are_learned_by_heart():
  body = ResNet(0, (1, 1), False, 16, zero_init=False)
  model = MaskRCNN(1, body, **SMALL_TWO_STAGE | WIDE, mask_convs=1)
  task = InstanceSegmentation(model, max_objects=3)
  batch = numbered_objects(2, 0)
  weights = fit(task, batch, 110, 4e-3)
  out = jax.jit(task.predict)(*weights, batch, None)
  found, truth = np.asarray(out["instances"]) > 0, batch["instances"] > 0
  assert (found & truth).sum() / (found | truth).sum() > 0.8
