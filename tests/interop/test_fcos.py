"""FCOS and RetinaNet of torchvision: outputs, losses, what is predicted."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.interop import parity
from tests.oracles import library, torchvision
from vision_jax.core.types import Mean
from vision_jax.interop import leaves, published
from vision_jax.interop.families import fcos as family
from vision_jax.losses.dense import AnchorCriterion, PointCriterion
from vision_jax.models.backbones.resnet import ResNet
from vision_jax.models.detection.fcos import FCOS
from vision_jax.models.detection.retinanet import RetinaNet
from vision_jax.tasks.dense_detection import DenseDetection

CLASSES, SIDES = 5, (64, 96)
SIZES = np.array([[64, 96], [40, 72]])  # of the images without padding


def narrow(name):
  """Returns torchvision's, on a ResNet of one block a stage and 32 channels."""
  tv = torchvision()
  models, fpn = tv.models, library("torchvision.ops.feature_pyramid_network")
  norm = tv.ops.misc.FrozenBatchNorm2d
  block = models.resnet.BasicBlock
  body = models.resnet.ResNet(block, [1, 1, 1, 1], norm_layer=norm)
  detection = models.detection
  body = detection.backbone_utils.BackboneWithFPN(
    body,
    {f"layer{i}": str(i - 2) for i in (2, 3, 4)},
    [128, 256, 512],
    32,
    extra_blocks=fpn.LastLevelP6P7(32, 32),
  )
  if name == "fcos":
    module = detection.FCOS(body, CLASSES)
  else:
    module = detection.RetinaNet(body, CLASSES, score_thresh=0.5)
  return parity.randomise(module)


def ours(name):
  """Returns the same net of ours, its rules and its task."""
  body = ResNet(0, (1, 1, 1, 1), bottleneck=False, frozen_norm=True)
  if name == "fcos":
    model = FCOS(CLASSES, body, features=32)
    return model, family.torchvision_fcos, PointCriterion(), {}
  model = RetinaNet(CLASSES, body, features=32)
  values = {"least": 0.5, "overlap": 0.5, "detections": 300}
  return model, family.torchvision_retinanet, AnchorCriterion(), values


def batch_of():
  """Two images, one with padding, and boxes that each level has to find."""
  rng = np.random.default_rng(0)
  scale = SIZES[:, None, ::-1]
  low = rng.uniform(0, 0.6, (2, 6, 2))
  high = low + rng.uniform(0.15, 0.4, (2, 6, 2))
  boxes = np.concatenate([low * scale, high * scale], -1)
  mask = np.zeros((2, *SIDES), np.float32)
  for i, (h, w) in enumerate(SIZES):
    mask[i, :h, :w] = 1
  middle, size = (low + high) / 2, high - low
  batch = {
    "image": parity.images(2, *SIDES, 3) * mask[..., None],
    "image_mask": mask,
    "boxes": np.concatenate([middle, size], -1).astype(np.float32),
    "label": rng.integers(0, CLASSES, (2, 6)).astype(np.int32),
    "box_mask": np.float32([[1] * 6, [1, 1, 1, 0, 0, 0]]),
    "mask": np.ones(2, np.float32),
  }
  return batch, boxes.astype(np.float32)


def plain_nms(torch, overlap):
  """Returns what stands for torchvision's compiled operator."""

  def nms(boxes, scores, threshold):
    kept, order = [], scores.argsort(descending=True, stable=True).tolist()
    over = (overlap(boxes, boxes) > threshold).numpy()
    dropped = np.zeros(len(order), bool)
    for i in order:
      if not dropped[i]:
        kept.append(i)
        dropped |= over[i]
    return torch.tensor(kept, dtype=torch.long)

  return nms


def run_theirs(module, batch, boxes, name):
  """Returns torchvision's outputs, losses and detections."""
  torch = library("torch")
  image = parity.nchw(batch["image"])
  targets = [
    {
      "boxes": torch.tensor(boxes[i][real]),
      "labels": torch.tensor(batch["label"][i][real]).long(),
    }
    for i, real in enumerate(batch["box_mask"] > 0)
  ]
  sizes = [tuple(map(int, x)) for x in SIZES]
  images = torchvision().models.detection.image_list.ImageList(image, sizes)
  maps = list(module.backbone(image).values())
  out = module.head(maps)
  anchors = module.anchor_generator(images, maps)
  each = 1 if name == "fcos" else 9
  numbers = [x.shape[2] * x.shape[3] * each for x in maps]
  more = (numbers,) if name == "fcos" else ()
  losses = module.compute_loss(targets, out, anchors, *more)
  split = {k: list(v.split(numbers, 1)) for k, v in out.items()}
  around = [list(x.split(numbers)) for x in anchors]
  return out, losses, module.postprocess_detections(split, around, sizes)


NAMES = {
  "fcos": {
    "class": "classification",
    "giou": "bbox_regression",
    "centre": "bbox_ctrness",
  },
  "retinanet": {"class": "classification", "l1": "bbox_regression"},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_outputs_losses_and_detections_are_torchvisions(name, monkeypatch):
  torch, module = library("torch"), narrow(name)
  ops = library("torchvision.ops.boxes")
  monkeypatch.setattr(ops, "nms", plain_nms(torch, ops.box_iou))
  batch, boxes = batch_of()
  with torch.no_grad():
    out, losses, detections = run_theirs(module, batch, boxes, name)
  model, layout, criterion, values = ours(name)
  given = parity.variables(module, layout, model, batch["image"])
  task = DenseDetection(model, criterion, **values)
  params, stats = (
    {"model": given["params"]},
    {"model": {"batch_stats": given["batch_stats"]}},
  )

  @jax.jit
  def run(params, stats, batch):
    own = {"params": params["model"], **stats["model"]}
    found = model.apply(own, batch["image"], train=False)
    (objective,) = task.objectives
    key = jax.random.key(0)
    terms, _ = objective.loss(params, stats, batch, key, step=0, train=False)
    return found, terms, task.predict(params, stats, batch, key)

  found, terms, predicted = run(params, stats, batch)
  joined = lambda key: np.concatenate(found[key], 1)
  parity.same(joined("logits"), out["cls_logits"])
  if name == "fcos":
    parity.same(joined("centre"), out["bbox_ctrness"][..., 0])
  else:
    parity.same(joined("offsets"), out["bbox_regression"])
  for ours_, theirs in NAMES[name].items():
    got = float(Mean(*terms[ours_]).divide())
    np.testing.assert_allclose(got, float(losses[theirs]), rtol=1e-3)
  for i, expected in enumerate(detections):
    number = len(expected["scores"])
    there = np.asarray(predicted["score"][i]) > 0
    assert there.sum() == number > 5
    pairs = (("score", "scores"), ("boxes", "boxes"), ("label", "labels"))
    for key, theirs in pairs:
      np.testing.assert_allclose(
        predicted[key][i][:number], expected[theirs], atol=2e-3
      )


@pytest.mark.parametrize(
  ("name", "count"),
  [
    ("fcos_resnet50_fpn", 32_269_600),
    pytest.param("retinanet_resnet50_fpn", 34_014_999, marks=pytest.mark.slow),
  ],
)
def test_parameters_are_torchvisions(name, count):
  """Which counts no frozen norms: 53,120 scales and biases."""
  _, net = published.find(f"torchvision:{name}")
  image = jax.ShapeDtypeStruct((1, 64, 64, 3), jnp.float32)
  shapes = leaves.shapes(leaves.abstract(net.model(), image))
  size = lambda keep: sum(
    int(np.prod(x))
    for path, x in shapes.items()
    if path.startswith("params/") and keep(path)
  )
  frozen = lambda path: "/bn" in path or "_bn" in path
  assert size(frozen) == 53_120
  assert size(lambda path: not frozen(path)) == count
