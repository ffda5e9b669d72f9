"""What the configs of a kind of task have in common: keys with defaults.

And what keys are called in every config that has such:

steps: updates of the optimizer in the whole run. batch_size: examples of a
step, of all devices and processes together. eval_batch_size: likewise, in
evaluation. lr: the largest learning rate. warmup: steps in which the rate rises
to it from 0. rise: share of the steps in which the rate of `one_cycle` rises.
generator_lr, discriminator_lr: the largest learning rate of that net. b1, b2:
how much Adam keeps of its means of gradients and of their squares. clip:
largest global norm of the gradient. backbone_rate: factor of the rate in the
backbone. ema: decay of the averaged weights. dtype: what is computed in,
"float32" or "bfloat16"; parameters and what a net gives are float32. remat:
what the backward pass computes again, so that less is kept: "none", "blocks" or
"dots", see `layers.remat`. clips: how many are generated for train, val and
test.
"""

import math

import ml_collections

from vision_jax.data.box_shapes import box_shapes, clusters
from vision_jax.experiment import base_config
from vision_jax.pipelines.pixels import PIXELS, set_pixels
from vision_jax.pipelines.segmentation_options import OPTIONS
from vision_jax.pipelines.sources.base import DataSet
from vision_jax.pipelines.sources.boxes import BoxData
from vision_jax.pipelines.sources.labels import LabelData
from vision_jax.pipelines.sources.masks import MaskData


def label_config(**values: object) -> dict[str, object]:
  """Returns `base_config` with the keys of one's own images with labels.

  class_names, holdout, layout, on_shared: see `LabelData`. epochs: see
  `set_steps`. balance: whether class_weights are set so that each class counts
  alike. class_weights: of the loss; () for none. channels, bands, show_bands,
  mean, std: see `set_pixels`.
  """
  defaults = {
    "class_names": (),
    "holdout": 0,
    "layout": "",
    "on_shared": "error",
    "epochs": 0.0,
    "balance": False,
    "class_weights": (),
  }
  return base_config(**(PIXELS | defaults | values))


def resolve_labels(config: ml_collections.ConfigDict) -> None:
  """Fills in what the labels of a `label_config` say, as a run begins."""
  images = LabelData.of(config)
  config.class_names = images.names()
  images = LabelData.of(config)
  config.layout = images.check()
  set_steps(config, images)
  set_pixels(config, images)
  if config.balance:
    config.class_weights = images.balanced_weights()


def set_steps(config: ml_collections.ConfigDict, data: DataSet) -> None:
  """Sets steps by epochs.

  epochs: passes over all of train, by which steps are set; 0 leaves them.
  """
  if config.epochs:
    examples = config.epochs * len(data.train)
    config.steps = max(math.ceil(examples / config.batch_size), 1)


def segmentation_config(**values: object) -> dict[str, object]:
  """Returns `base_config` with the keys of segmentation's data.

  dataset, class_names, mask_values, ignore_values, objects, images, masks,
  layout, scenes: see `MaskData`. image_size: (h, w) that all images are resized
  to. crop: (h, w) of the window that training cuts out at random, () for none.
  scale, degrees, jitter, flip: see `mask_augment`; a config with the block
  `augment` has that in their place. class_weights: of the loss, () for none.
  balance: whether class_weights are set by train's pixels. balance_by: how,
  "median_frequency" or "effective_number". balance_beta: of the latter. loss:
  the loss's parts, out of `TERMS`. loss_weights: of each part; () weighs them
  alike. ohem_threshold: of the part "ohem", the probability of its class below
  which a pixel is a hard one. ohem_share: of it, the part of an image's pixels
  that counts in any case, the hardest. tta_scales: how many times larger images
  are seen in evaluation and prediction, averaged; () sees them as they are.
  tta_flip: whether mirrored, too. boundary_pixels, trimap_pixels: see
  `metrics.Segmentation`. epochs: see `set_steps`. channels, bands, show_bands,
  mean, std: see `set_pixels`.
  """
  defaults = {
    "image_size": (64, 64),
    "scenes": (0, 0, 0),
    "eval_batch_size": 8,
    "crop": (),
    "mask_values": (),
    "ignore_values": (),
    "objects": False,
    "class_weights": (),
    "balance": False,
    "epochs": 0.0,
    "images": "",
    "masks": "",
    "layout": "",
    "on_shared": "error",
  }
  if "augment" not in values:
    moves = {"scale": (1.0, 1.0), "degrees": 0.0, "flip": False}
    defaults |= moves | {"jitter": 0.0}
  return base_config(**(PIXELS | OPTIONS | defaults | values))


def resolve_masks(config: ml_collections.ConfigDict) -> None:
  """Fills in what the masks of a `segmentation_config` say, as a run begins."""
  config.class_names = MaskData.of(config).names()
  masks = MaskData.of(config)
  config.layout = masks.check()
  set_steps(config, masks)
  set_pixels(config, masks)
  if config.balance:
    weights = masks.balanced_weights(config.balance_by, config.balance_beta)
    config.class_weights = weights or config.class_weights


def detection_config(**values: object) -> dict[str, object]:
  """Returns `base_config` with the keys of detection's data.

  dataset, splits, class_names, images, layout, on_bad_box, one_based, scenes:
  see `BoxData`. image_size, letterbox, max_boxes, in_memory, annotations: see
  `detection`. crop: see `box_augment`. crop_ratio: (smallest, largest) change
  of its proportions. crop_probability: how often a window is cut out. flip,
  flip_vertical: how often left and right, or top and bottom, are exchanged.
  jitter: see `box_augment`. A config with the block `augment` has that in the
  place of these. per_class: whether each class is evaluated, too. voc_ap:
  whether VOC's average precision is. only: trains on so many images, and
  evaluates on them too, as `seen`, to see whether it can learn them by heart; 0
  trains on all. epochs: see `set_steps`. channels, bands, show_bands, mean,
  std: see `set_pixels`.
  """
  defaults = {
    "splits": ("train", "val", "test"),
    "image_size": (64, 64),
    "letterbox": False,
    "in_memory": True,
    "scenes": (0, 0, 0),
    "eval_batch_size": 8,
    "class_names": (),
    "images": "",
    "layout": "",
    "on_shared": "error",
    "annotations": "",
    "max_boxes": 100,
    "on_bad_box": "error",
    "one_based": False,
    "per_class": False,
    "voc_ap": False,
    "only": 0,
    "epochs": 0.0,
  }
  if "augment" not in values:
    defaults |= {
      "crop": (),
      "crop_ratio": (1.0, 1.0),
      "crop_probability": 1.0,
      "flip": 0.0,
      "flip_vertical": 0.0,
      "jitter": 0.0,
    }
  return base_config(**(PIXELS | defaults | values))


def resolve_boxes(config: ml_collections.ConfigDict) -> None:
  """Fills in what the boxes of a `detection_config` say, as a run begins."""
  config.class_names = BoxData.of(config).names()
  boxes = BoxData.of(config)
  config.layout = boxes.check()
  set_steps(config, boxes)
  set_pixels(config, boxes)


def resolve_keypoints(config: ml_collections.ConfigDict) -> None:
  """Fills in what boxes say, and what their keypoints are.

  keypoint_names: of an object's keypoints, in order; () takes those of train's
  annotations. mirrored: the place of the keypoint that each one is in a mirror;
  () is what train's annotations say, by left and right in the names or by
  `flip_pairs`. skeleton: pairs of keypoints that pictures have a line between;
  () takes those of train's annotations.
  """
  resolve_boxes(config)
  kind = BoxData.of(config).keypoint_kind()
  config.keypoint_names = kind.names
  config.skeleton = tuple(config.skeleton) or kind.skeleton
  if not config.mirrored and (config.flip or config.flip_vertical):
    config.mirrored = kind.mirrored


def resolve_anchors(config: ml_collections.ConfigDict) -> None:
  """Fills in what boxes say, and the shapes of as many anchors.

  `anchors` are widths and heights in pixels in turn, smallest first; () are
  those of `num_anchors` clusters of train's boxes.
  """
  resolve_boxes(config)
  if not config.anchors:
    train, size = BoxData.of(config).train, config.image_size
    shapes = box_shapes(train, size, letterbox=config.letterbox)
    found = clusters(shapes, config.num_anchors).round(1)
    config.anchors = tuple(found.ravel().tolist())
