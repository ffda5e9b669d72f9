"""Dense detection as a task: what it learns from, and what it predicts."""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.marks import with_slow
from tests.tables import boxed_images, small_dense_detection
from tests.tasks.test_detection import terms_of
from tests.tasks.test_detection_overfit import fit, metrics, scenes
from vision_jax.errors import UserError
from vision_jax.losses.dense import AnchorCriterion, PointCriterion
from vision_jax.models.backbones.resnet import ResNet
from vision_jax.models.detection import fcos, retinanet
from vision_jax.models.detection.fcos import FCOS
from vision_jax.models.detection.retinanet import RetinaNet
from vision_jax.ops import anchors
from vision_jax.ops.suppression import gaussian
from vision_jax.ops.views import Views
from vision_jax.tasks.dense_detection import DenseDetection

K = 4
PLACES = [
  jnp.asarray(anchors.anchors((16, 16), (side,) * 2, anchors.cell([size])))
  for side, size in ((4, 4), (2, 8))
]


class Fixed(nn.Module):
  """A model whose outputs are its parameters, of two levels."""

  size: int = 8
  background = False

  @nn.compact
  def __call__(self, x, *, train, mask=None, image_mask=None):
    del x, train, mask, image_mask
    normal = nn.initializers.normal(1.0)
    draw = lambda name, *shape: tuple(
      self.param(f"{name}{i}", normal, (self.size, len(a), *shape))
      for i, a in enumerate(PLACES)
    )
    offsets = draw("offsets", 4)
    return {
      "logits": draw("logits", K),
      "centre": draw("centre"),
      "offsets": offsets,
      "boxes": tuple(a + x for a, x in zip(PLACES, offsets, strict=True)),
      "anchors": tuple(PLACES),
    }


CRITERIA = {"points": PointCriterion(), "anchors": AnchorCriterion(low=0.1)}


def case(name="points", size=8, **values):
  """A task with fixed outputs, its parameters and a batch."""
  task = DenseDetection(Fixed(size), CRITERIA[name], **values)
  batch = boxed_images(size, 0)
  params, stats = task.init(jax.random.key(1), batch)
  return task, params, stats, batch


@pytest.mark.parametrize("name", with_slow(CRITERIA, "anchors"))
def test_padding_is_nothing_and_images_without_boxes_teach(name):
  task, params, stats, batch = case(name)
  plain = terms_of(task, params, stats, batch)
  assert plain.keys() == task.criterion.weights.keys()
  assert all(np.isfinite(x) and x > 0 for x in plain.values())
  hidden = batch["box_mask"] == 0
  assert hidden.all(1).any()  # there are images without boxes
  other = dict(batch, boxes=batch["boxes"].copy())
  other["boxes"][hidden] = np.nan
  assert terms_of(task, params, stats, other) == plain
  (objective,) = task.objectives

  def loss(params, box_mask):
    given = batch | {"box_mask": box_mask}
    terms = objective.loss(params, stats, given, None, step=0, train=False)[0]
    return terms["class"].divide(), terms

  step = jax.jit(jax.grad(loss, has_aux=True))
  grads, terms = step(params, jnp.zeros_like(batch["box_mask"]))
  assert all(np.isfinite(x).all() for x in jax.tree.leaves(grads))
  assert np.abs(grads["model"]["logits0"]).max() > 0
  assert terms["class"].divide() > 0
  for other in task.criterion.weights.keys() - {"class"}:
    assert terms[other].divide() == 0


@pytest.mark.slow
def test_nothing_is_learned_inside_a_crowd_but_what_is_found():
  """A box of all the image as a crowd: only the places of boxes count."""
  task, params, stats, batch = case(size=1)
  batch["boxes"][0, :2] = [[0.5, 0.5, 1, 1], [0.5, 0.5, 0.3, 0.3]]
  batch["box_mask"][:] = [[1, 1, 0]]
  crowd = batch | {"crowd": np.float32([[1, 0, 0]])}
  (objective,) = task.objectives

  def loss(params, batch):
    terms = objective.loss(params, stats, batch, None, step=0, train=False)[0]
    return terms["class"].total

  gradient = jax.jit(jax.grad(loss))
  learned = lambda batch: np.concatenate(
    [
      np.abs(gradient(params, batch)["model"][f"logits{i}"][0]).max(-1)
      for i in range(2)
    ]
  )
  assert (learned(batch) > 0).all()
  alone = learned(crowd) > 0
  assert 0 < alone.sum() < len(alone) / 2
  assert alone[: 4 * 4].reshape(4, 4)[2, 2]  # the place at (8, 8)


def test_predictions_are_sorted_pixels_of_the_image():
  task, params, stats, batch = case(least=0.4, detections=80)
  batch["size"] = np.tile(np.array([[100, 200]], np.int32), (8, 1))
  out = jax.jit(task.predict)(params, stats, batch, None)
  out = {k: np.asarray(v) for k, v in out.items()}
  assert out["boxes"].shape == (8, 80, 4) and out["label"].dtype == np.int32
  score = out["score"]
  assert (np.diff(score, axis=1) <= 0).all() and score.max() < 1
  there = score > 0
  assert there.any() and not there.all() and score[there].min() > 0.4
  assert (out["boxes"][~there] == 0).all() and (out["label"] < K).all()
  boxes = out["boxes"]
  assert boxes.min() >= 0 and boxes[..., ::2].max() > 100
  assert boxes[..., ::2].max() <= 200 and boxes[..., 1::2].max() <= 100
  mask = np.zeros((8, 16, 16), np.float32)
  mask[:, :8, :8] = 1
  half = dict(batch, image_mask=mask)
  boxes = np.asarray(jax.jit(task.predict)(params, stats, half, None)["boxes"])
  assert boxes[..., ::2].max() == 200  # cut to what is shown, which is all


@pytest.mark.slow
def test_soft_suppression_keeps_what_hard_drops():
  hard = case(least=0.3, overlap=0.1, detections=80)
  soft = case(least=0.3, decay=gaussian(), detections=80)
  count = [
    int((jax.jit(t.predict)(p, s, b, None)["score"] > 0).sum())
    for t, p, s, b in (hard, soft)
  ]
  assert count[0] < count[1]


@pytest.mark.slow
def test_views_are_put_back_and_merged():
  """Mirrored views make boxes of a mirrored image the mirrored boxes."""
  plain, batch = small_dense_detection(), boxed_images(2, 0)
  params, stats = jax.jit(plain.init)(jax.random.key(0), batch)

  def run(views, image):
    task = dataclasses.replace(plain, views=views)
    predict = jax.jit(lambda x: task.predict(params, stats, x, None))
    return {k: np.asarray(v) for k, v in predict({"image": image}).items()}

  image = jnp.asarray(batch["image"])
  here, there = (run(Views(flip=True), x) for x in (image, image[:, :, ::-1]))
  mirrored = here["boxes"].copy()
  mirrored[..., ::2] = 16 - mirrored[..., 2::-2]
  found = here["score"] > 0
  np.testing.assert_allclose(here["score"], there["score"], atol=1e-5)
  np.testing.assert_allclose(mirrored[found], there["boxes"][found], atol=1e-3)
  large = jax.image.resize(image, (2, 32, 32, 3), "linear")
  twice, seen = run(Views((2.0,)), image), run(None, large)
  np.testing.assert_allclose(twice["boxes"], seen["boxes"] / 2, atol=1e-3)
  once = run(None, image)["score"]
  assert not np.allclose(twice["score"][:, : once.shape[1]], once, atol=1e-3)


@pytest.mark.parametrize(
  ("make", "message"),
  [
    (lambda: case(least=1.0), "least: got 1.0; expected a score below 1"),
    (lambda: case(overlap=-1), "threshold: got -1; expected an IoU, 0 to 1"),
    (lambda: fcos.variant("R7", 3), "FCOS: got the variant 'R7'; expected"),
    (lambda: retinanet.variant("R7", 3), "RetinaNet: got the variant 'R7'"),
  ],
)
def test_what_it_refuses(make, message):
  with pytest.raises(UserError, match=message):
    make()


def test_a_level_that_the_backbone_has_not_is_an_error():
  model = FCOS(3, ResNet(0, (1, 1), False, 4), ("c9",))
  with pytest.raises(UserError, match="has no 'c9'; expected some of c2, c3"):
    image = jnp.zeros((1, 8, 8, 3))
    jax.eval_shape(lambda: model.init(jax.random.key(0), image, train=False))


@pytest.mark.slow
def test_two_thousand_objects_of_an_image_are_learned():
  task, batch = small_dense_detection(), boxed_images(2, 0)
  rng = np.random.default_rng(0)
  many = {
    "boxes": np.concatenate(
      [rng.uniform(0.1, 0.9, (2, 2000, 2)), np.full((2, 2000, 2), 0.2)], -1
    ).astype(np.float32),
    "label": rng.integers(0, K, (2, 2000)).astype(np.int32),
    "box_mask": np.ones((2, 2000), np.float32),
  }
  params, stats = jax.jit(task.init)(jax.random.key(0), batch)
  terms = terms_of(task, params, stats, batch | many)
  assert all(np.isfinite(x) and x > 0 for x in terms.values())


def small(name):
  """A detector that sees 32 x 32 pixels at strides 4 and 8."""
  body = ResNet(0, (1, 1), False, 16, zero_init=False)
  sizes = {"levels": ("c2", "c3"), "more": 0, "features": 32, "convs": 1}
  if name == "points":
    model = FCOS(10, body, groups=4, **sizes)
  else:
    model = RetinaNet(10, body, size=8, **sizes)
  return DenseDetection(model, CRITERIA[name], least=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("name", CRITERIA)
def test_one_scene_is_learned_by_heart(name):
  task, batch = small(name), scenes(1)
  got = metrics(task, fit(task, batch, 150, 3e-3), batch)
  assert got["ap50"] > 0.99, got


@pytest.mark.slow
def test_half_precision_computes_and_keeps_float32_results():
  task = small_dense_detection()
  body = task.model.backbone.clone(dtype=jnp.bfloat16)
  model = task.model.clone(dtype=jnp.bfloat16, backbone=body)
  image = boxed_images(4, 0)["image"]
  run = lambda: model.init_with_output(jax.random.key(0), image, train=False)
  out, variables = jax.jit(run)()
  types = {str(x.dtype) for x in jax.tree.leaves((out, variables))}
  assert types == {"float32"}
  assert all(np.isfinite(x).all() for x in jax.tree.leaves(out))
