"""What the configs of a kind of task have in common: keys with defaults."""

import math

import ml_collections

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
  `set_steps`. balance: whether `resolve_labels` sets class_weights, those of
  the loss, so that each class counts alike; () for none. channels, bands,
  show_bands, mean, std: see `set_pixels`.
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
  """Sets steps by `config.epochs`, passes over all of train; 0 leaves them."""
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
  balance: whether `resolve_masks` sets them: balance_by="median_frequency", or
  "effective_number" with balance_beta. loss, loss_weights: the loss's parts,
  see `terms_of`. ohem_threshold, ohem_share: see `hardest_cross_entropy`.
  tta_scales, tta_flip: views of each image in evaluation and prediction, see
  `Views`; () and false for it alone. boundary_pixels, trimap_pixels: what is
  also measured near boundaries, see `metrics.Segmentation`; 0 for nothing.
  epochs: see `set_steps`. channels, bands, show_bands, mean, std: see
  `set_pixels`.
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
  `detection`. crop, crop_ratio, crop_probability, flip, flip_vertical, jitter:
  see `box_augment`; a config with the block `augment` has that in their place.
  per_class, voc_ap: whether to evaluate each class too, and
  VOC's average precision. only: trains on so many images, and evaluates on them
  too, as `seen`, to see whether it can learn them by heart; 0 trains on all.
  epochs: see `set_steps`. channels, bands, show_bands, mean, std: see
  `set_pixels`.
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
