"""Faster, Mask and Keypoint R-CNN of torchvision: outputs, losses, finds."""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.interop import parity
from tests.interop.test_fcos import CLASSES, SIDES, SIZES, batch_of, plain_nms
from tests.oracles import library, torchvision
from vision_jax.core.types import Mean
from vision_jax.interop import leaves, published
from vision_jax.interop.families import faster_rcnn as family
from vision_jax.losses.two_stage import TwoStageCriterion
from vision_jax.models.backbones.resnet import ResNet
from vision_jax.models.detection.faster_rcnn import FasterRCNN
from vision_jax.models.detection.keypoint_rcnn import KeypointRCNN
from vision_jax.models.detection.mask_rcnn import MaskRCNN
from vision_jax.tasks.instance_segmentation import InstanceSegmentation
from vision_jax.tasks.keypoint_detection import KeypointDetection
from vision_jax.tasks.two_stage_detection import Found, TwoStageDetection

ALL = 10**6  # of what is drawn: nothing is left to chance
KEYPOINTS, WIDTH = 3, 16


def narrow(name):
  """Returns torchvision's, on a ResNet of one block a stage and 32 channels."""
  tv = torchvision()
  detection, models = tv.models.detection, tv.models
  norm, block = tv.ops.misc.FrozenBatchNorm2d, models.resnet.BasicBlock
  body = models.resnet.ResNet(block, [1, 1, 1, 1], norm_layer=norm)
  body = detection.backbone_utils.BackboneWithFPN(
    body,
    {f"layer{i}": str(i - 1) for i in (1, 2, 3, 4)},
    [64, 128, 256, 512],
    32,
  )
  sizes = tuple((8 * 2**i,) for i in range(5))
  options = {
    "rpn_anchor_generator": detection.anchor_utils.AnchorGenerator(
      sizes, ((0.5, 1.0, 2.0),) * 5
    ),
    "box_head": detection.faster_rcnn.TwoMLPHead(32 * 49, WIDTH),
    "box_predictor": detection.faster_rcnn.FastRCNNPredictor(
      WIDTH, CLASSES + 1
    ),
  }
  make = detection.FasterRCNN
  if name == "mask":
    make, module = detection.MaskRCNN, detection.mask_rcnn
    options["mask_head"] = module.MaskRCNNHeads(32, (32, 32), 1)
    options["mask_predictor"] = module.MaskRCNNPredictor(32, 32, CLASSES + 1)
  if name == "keypoint":
    make, module = detection.KeypointRCNN, detection.keypoint_rcnn
    options["keypoint_head"] = module.KeypointRCNNHeads(32, (WIDTH,) * 2)
    options["keypoint_predictor"] = module.KeypointRCNNPredictor(
      WIDTH, KEYPOINTS
    )
  module = parity.randomise(make(body, None, **options))
  for sampler in (module.rpn.fg_bg_sampler, module.roi_heads.fg_bg_sampler):
    sampler.batch_size_per_image = ALL
  return module


def ours(name):
  """Returns the task of the same net of ours."""
  body = ResNet(0, (1, 1, 1, 1), bottleneck=False, frozen_norm=True)
  sizes = {"features": 32, "hidden": WIDTH, "size": 8}
  plain = TwoStageCriterion()
  draws = {
    part: dataclasses.replace(getattr(plain, part), number=ALL)
    for part in ("anchors", "regions")
  }
  if name == "faster":
    model, task = FasterRCNN(CLASSES, body, **sizes), TwoStageDetection
  if name == "mask":
    model = MaskRCNN(CLASSES, body, **sizes, mask_convs=2)
    task = InstanceSegmentation
  if name == "keypoint":
    heads = {"keypoint_features": WIDTH, "keypoint_convs": 2}
    sizes |= heads | {"num_keypoints": KEYPOINTS}
    model, task = KeypointRCNN(CLASSES, body, **sizes), KeypointDetection
  task = task(model)
  return dataclasses.replace(
    task, criterion=dataclasses.replace(task.criterion, **draws)
  )


def with_objects(batch, boxes):
  """Adds an ellipse in each box, and points in and beside it."""
  rows, columns = np.indices(SIDES) + 0.5
  middle = (boxes[..., :2] + boxes[..., 2:])[..., None, None] / 2
  half = (boxes[..., 2:] - boxes[..., :2])[..., None, None] / 2
  away = ((columns - middle[:, :, 0]) / half[:, :, 0]) ** 2
  away += ((rows - middle[:, :, 1]) / half[:, :, 1]) ** 2
  masks = (away < 1) * batch["box_mask"][..., None, None]
  rng = np.random.default_rng(1)
  part = rng.uniform(-0.2, 1.2, (*boxes.shape[:2], KEYPOINTS, 2))
  low, high = np.split(boxes[:, :, None], 2, -1)
  points = low + part * (high - low)
  seen = rng.integers(0, 2, (*points.shape[:3], 1))
  fractions = points / SIZES[:, None, None, ::-1]
  keypoints = np.concatenate([fractions, seen], -1).astype(np.float32)
  theirs = np.concatenate([points, seen], -1).astype(np.float32)
  new = {"masks": masks.astype(np.uint8), "keypoints": keypoints}
  return batch | new, theirs


def plain_roi_align(torch):
  """Returns what stands for torchvision's compiled operator."""

  def line(low, high, cells, samples, length):
    """Where samples lie on an axis: two pixels, a part, whether inside."""
    side = (high - low).clamp(min=1.0)[:, None]
    samples = samples if samples > 0 else math.ceil(float(side) / cells)
    at = (torch.arange(cells * samples) + 0.5) / (cells * samples)
    at = low[:, None] + at * side
    inside = (at >= -1) & (at <= length)
    at = at.clamp(0, length - 1)
    pixel = at.floor().long()
    return pixel, (pixel + 1).clamp(max=length - 1), at - pixel, inside

  def of_image(x, boxes, size, samples):
    x1, y1, x2, y2 = boxes.unbind(1)
    top, bottom, down, y = line(y1, y2, size, samples, x.shape[1])
    left, right, across, inside = line(x1, x2, size, samples, x.shape[2])
    down, across = down[..., None], across[:, None]
    rows = x[:, top] * (1 - down) + x[:, bottom] * down
    whole = lambda i: i[None, :, None].expand(*rows.shape[:3], -1)
    pick = lambda i: torch.gather(rows, 3, whole(i))
    seen = pick(left) * (1 - across) + pick(right) * across
    seen = seen * (y[:, :, None] & inside[:, None])
    cells = (size, seen.shape[2] // size, size, seen.shape[3] // size)
    seen = seen.reshape(*seen.shape[:2], *cells).mean((3, 5))
    return seen.transpose(0, 1)

  def roi_align(x, boxes, output_size, spatial_scale=1.0, sampling_ratio=-1):
    size = output_size if isinstance(output_size, int) else output_size[0]
    found = x.new_zeros((len(boxes), x.shape[1], size, size))
    at = boxes[:, 1:] * spatial_scale
    groups = [boxes[:, 0] == i for i in range(len(x))]
    if sampling_ratio <= 0:  # as many as each has pixels
      groups = [torch.arange(len(boxes)) == i for i in range(len(boxes))]
    for group in groups:
      if group.any():
        image = x[int(boxes[group][0, 0])]
        found[group] = of_image(image, at[group], size, sampling_ratio)
    return found

  return roi_align


def run_theirs(module, batch, boxes, keypoints):
  """Returns torchvision's detections, and the losses of each image alone."""
  torch = library("torch")
  make = torchvision().models.detection.image_list.ImageList
  tensor, image = torch.tensor, parity.nchw(batch["image"])
  sizes = [tuple(map(int, x)) for x in SIZES]
  images = make(image, sizes)
  maps = module.backbone(image)
  proposals, _ = module.rpn(images, maps)
  detections, _ = module.roi_heads(maps, proposals, sizes)
  module.train()
  losses = []
  for i, real in enumerate(batch["box_mask"] > 0):
    target = {
      "boxes": tensor(boxes[i][real]),
      "labels": tensor(batch["label"][i][real]).long() + 1,
      "masks": tensor(batch["masks"][i][real]),
      "keypoints": tensor(keypoints[i][real]),
    }
    one = make(image[i : i + 1], sizes[i : i + 1])
    maps = module.backbone(one.tensors)
    proposals, found = module.rpn(one, maps, [target])
    _, more = module.roi_heads(maps, proposals, one.image_sizes, [target])
    losses.append(found | more)
  return detections, losses


def pairs_of(predicted, i, expected):
  """Returns which of ours each of theirs is: equal scores change places."""
  boxes, label = (predicted[key][i] for key in ("boxes", "label"))
  away = np.abs(boxes - expected["boxes"].numpy()[:, None]).max(-1)
  away += 1e3 * (label != expected["labels"].numpy()[:, None] - 1)
  away += 1e6 * (predicted["score"][i] <= 0)
  rows = away.argmin(1)
  assert len(set(rows.tolist())) == len(rows)
  return rows


TERMS = {
  "objectness": "loss_objectness",
  "proposal": "loss_rpn_box_reg",
  "class": "loss_classifier",
  "box": "loss_box_reg",
  "mask": "loss_mask",
  "keypoint": "loss_keypoint",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["faster", "mask", "keypoint"])
def test_detections_and_losses_are_torchvisions(name, monkeypatch):
  torch, module = library("torch"), narrow(name)
  boxes_of = library("torchvision.ops.boxes")
  monkeypatch.setattr(boxes_of, "nms", plain_nms(torch, boxes_of.box_iou))
  for place in ("torchvision.ops.poolers", "torchvision.models.detection"):
    where = library(place)
    where = where if place.endswith("poolers") else where.roi_heads
    monkeypatch.setattr(where, "roi_align", plain_roi_align(torch))
  batch, boxes = batch_of()
  batch, keypoints = with_objects(batch, boxes)
  batch["index"] = np.arange(2, dtype=np.int32)
  with torch.no_grad():
    detections, losses = run_theirs(module, batch, boxes, keypoints)
  task = ours(name)
  given = parity.variables(
    module, family.torchvision, task.model, batch["image"]
  )
  params, stats = (
    {"model": given["params"]},
    {"model": {"batch_stats": given["batch_stats"]}},
  )

  @jax.jit
  def run(params, stats, batch):
    (objective,) = task.objectives
    key = jax.random.key(0)
    terms, _ = objective.loss(params, stats, batch, key, step=0, train=True)
    return terms, task.predict(params, stats, batch, key)

  terms, predicted = jax.device_get(run(params, stats, batch))
  assert terms.keys() == task.criterion.weights.keys()
  losses_of = {}
  for term, theirs in TERMS.items():
    if term in terms:
      expected = np.mean([float(x[theirs]) for x in losses])
      got = float(Mean(*terms[term]).divide())
      losses_of[term] = got, expected
  for got, expected in losses_of.values():
    np.testing.assert_allclose(got, expected, rtol=1e-3, err_msg=str(losses_of))
  for i, expected in enumerate(detections):
    number = len(expected["scores"])
    assert (predicted["score"][i] > 0).sum() == number > 5
    rows = pairs_of(predicted, i, expected)
    of = lambda key, i=i, rows=rows: predicted[key][i][rows]
    close = lambda x, y, atol: np.testing.assert_allclose(x, y, atol=atol)
    close(of("score"), expected["scores"], 1e-3)
    close(of("label"), expected["labels"] - 1, 0)
    close(of("boxes"), expected["boxes"], 2e-2)
    if name == "mask":
      close(of("masks"), expected["masks"][:, 0], 1e-3)


COUNTS = {
  "fasterrcnn_resnet50_fpn": 41_755_286,
  "maskrcnn_resnet50_fpn": 44_401_393,
  "keypointrcnn_resnet50_fpn": 59_137_258,
}


@pytest.mark.parametrize(
  ("name", "count"),
  [
    pytest.param(*x, marks=[pytest.mark.slow] * ("mask" not in x[0]))
    for x in COUNTS.items()
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


@pytest.mark.slow
def test_keypoints_lie_where_torchvisions_do_within_a_cell():
  """On maps with one smooth peak: of noise the enlarged map has another."""
  torch, tv = library("torch"), torchvision()
  roi_heads = library("torchvision.models.detection.roi_heads")
  del tv
  rng = np.random.default_rng(0)
  peak = rng.uniform(8, 48, (1, 6, KEYPOINTS, 2))
  at = np.arange(56) + 0.5
  away = (at[:, None, None] - peak[:, :, None, None, :, 1]) ** 2
  away = away + (at[:, None] - peak[:, :, None, None, :, 0]) ** 2
  logits = np.float32(-away / 50)
  low, side = rng.uniform(0, 20, (1, 6, 2)), rng.uniform(20, 40, (1, 6, 2))
  boxes = np.float32(np.concatenate([low, low + side], -1))
  found = Found(jnp.asarray(boxes), jnp.ones((1, 6)), jnp.zeros((1, 6), int))
  out = {"objects": jnp.asarray(logits), "found": found}
  batch = {"image": jnp.zeros((1, 64, 64, 3))}
  got = KeypointDetection.of_objects(None, out, batch)["keypoints"][0]
  maps = torch.tensor(logits[0].transpose(0, 3, 1, 2))
  theirs, _ = roi_heads.heatmaps_to_keypoints(maps, torch.tensor(boxes[0]))
  cell = side[0, :, None] / 56
  assert (np.abs(got[..., :2] - theirs[..., :2].numpy()) <= cell + 1).all()
  np.testing.assert_allclose(got[..., 2], 0, atol=0.02)
