"""SSD300 of torchvision: size, outputs, losses, what is predicted."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.interop import parity
from tests.interop.test_fcos import plain_nms
from tests.oracles import library, torchvision
from vision_jax.core.types import Mean
from vision_jax.interop import published
from vision_jax.interop.families import ssd as family
from vision_jax.losses.multibox import MultiBoxCriterion
from vision_jax.models import count
from vision_jax.models.detection.ssd import Scaled, ssd300
from vision_jax.tasks.dense_detection import DenseDetection

CLASSES, SIDE = 4, 300
NAME = "torchvision:ssd300_vgg16"


def test_it_has_torchvisions_size():
  _, net = published.find(NAME)
  number = count.parameters(net.model(), (1, SIDE, SIDE, 3))
  assert number == 35_641_826
  assert net.num_classes == len(net.class_names) == 90


@pytest.mark.slow
def test_images_and_classes_are_torchvisions():
  _, net = published.find(NAME)
  models = torchvision().models
  (weights,) = models.get_model_weights("ssd300_vgg16")
  named = [
    pair
    for pair in zip(
      net.class_names, weights.meta["categories"][1:], strict=True
    )
    if pair[1] != "N/A"
  ]
  assert len(named) == 80 and all(a == b for a, b in named)
  make = models.detection.ssd300_vgg16
  theirs = make(weights=None, weights_backbone=None).transform
  assert (theirs.fixed_size, theirs.min_size) == ((SIDE, SIDE), (SIDE,))
  assert net.preprocess.size == (SIDE, SIDE)
  assert list(net.preprocess.mean) == theirs.image_mean
  np.testing.assert_allclose(net.preprocess.std, theirs.image_std)


def batch_of():
  """Two images and their boxes, in both forms."""
  rng = np.random.default_rng(0)
  low = rng.uniform(0, 0.6, (2, 5, 2))
  high = low + rng.uniform(0.1, 0.4, (2, 5, 2))
  boxes = (np.concatenate([low, high], -1) * SIDE).astype(np.float32)
  batch = {
    "image": parity.images(2, SIDE, SIDE, 3),
    "boxes": np.concatenate([(low + high) / 2, high - low], -1),
    "label": rng.integers(0, CLASSES, (2, 5)).astype(np.int32),
    "box_mask": np.float32([[1] * 5, [1, 1, 0, 0, 0]]),
    "mask": np.ones(2, np.float32),
  }
  return batch | {"boxes": batch["boxes"].astype(np.float32)}, boxes


def run_theirs(module, batch, boxes):
  """Returns torchvision's outputs, losses and detections."""
  torch = library("torch")
  targets = [
    {
      "boxes": torch.tensor(boxes[i][real]),
      "labels": torch.tensor(batch["label"][i][real]).long() + 1,
    }
    for i, real in enumerate(batch["box_mask"] > 0)
  ]
  sizes = [(SIDE, SIDE)] * 2
  image = parity.nchw(batch["image"])
  images = torchvision().models.detection.image_list.ImageList(image, sizes)
  maps = list(module.backbone(image).values())
  out = module.head(maps)
  anchors = module.anchor_generator(images, maps)
  overlap = library("torchvision.ops.boxes").box_iou
  pairs = zip(targets, anchors, strict=True)
  matched = [module.proposal_matcher(overlap(t["boxes"], a)) for t, a in pairs]
  losses = module.compute_loss(targets, out, anchors, matched)
  probs = out["cls_logits"].softmax(-1)[..., 1:].flatten()
  # Between two of the most certain, so that some hundred count.
  module.score_thresh = float(probs.sort(descending=True)[0][300:302].mean())
  return out, losses, module.postprocess_detections(out, anchors, sizes)


@pytest.mark.slow
def test_outputs_losses_and_detections_are_torchvisions(monkeypatch):
  torch = library("torch")
  ops = library("torchvision.ops.boxes")
  monkeypatch.setattr(ops, "nms", plain_nms(torch, ops.box_iou))
  theirs = torchvision().models.detection.ssd300_vgg16(
    weights=None, weights_backbone=None, num_classes=CLASSES + 1
  )
  parity.randomise(theirs)
  batch, boxes = batch_of()
  with torch.no_grad():
    out, losses, detections = run_theirs(theirs, batch, boxes)
  model = ssd300(CLASSES)
  given = parity.variables(theirs, family.torchvision, model, batch["image"])
  values = {"overlap": 0.45, "detections": 200}
  values |= {"least": theirs.score_thresh}
  task = DenseDetection(model, MultiBoxCriterion(), candidates=10_000, **values)
  params, stats = {"model": given["params"]}, {"model": {}}

  @jax.jit
  def run(params, batch):
    found = model.apply(
      {"params": params["model"]}, batch["image"], train=False
    )
    (objective,) = task.objectives
    key = jax.random.key(0)
    terms, _ = objective.loss(params, stats, batch, key, step=0, train=False)
    return found, terms, task.predict(params, stats, batch, key)

  found, terms, predicted = run(params, batch)
  joined = lambda key: np.concatenate(found[key], 1)
  parity.same(joined("offsets"), out["bbox_regression"])
  turned = np.roll(out["cls_logits"].numpy(), -1, -1)
  parity.same(joined("logits"), turned)
  for ours, key in (("class", "classification"), ("l1", "bbox_regression")):
    got = float(Mean(*terms[ours]).divide())
    np.testing.assert_allclose(got, float(losses[key]), rtol=1e-3)
  for i, expected in enumerate(detections):
    number = len(expected["scores"])
    assert (np.asarray(predicted["score"][i]) > 0).sum() == number > 5
    for key, name in (("score", "scores"), ("boxes", "boxes")):
      ours = predicted[key][i][:number]
      np.testing.assert_allclose(ours, expected[name], atol=5e-3)
    label = expected["labels"].numpy() - 1
    np.testing.assert_array_equal(predicted["label"][i][:number], label)


def test_features_of_zero_have_a_finite_gradient():
  x = jnp.zeros((1, 2, 2, 3)).at[0, 0, 0].set(jnp.array([3.0, 0, 4]))
  params = Scaled().init(jax.random.key(0), x)
  y, back = jax.vjp(lambda x: Scaled().apply(params, x), x)
  np.testing.assert_allclose(y[0, 0, 0], [12, 0, 16], rtol=1e-6)
  assert np.isfinite(back(jnp.ones_like(y))[0]).all()
