"""What the configs of a kind of task have in common: keys with defaults."""

import ml_collections

from vision_jax.experiment import base_config
from vision_jax.pipelines.sources.boxes import BoxData
from vision_jax.pipelines.sources.masks import MaskData


def segmentation_config(**values: object) -> dict[str, object]:
  """Returns `base_config` with the keys of segmentation's data.

  dataset, class_names, mask_values, ignore_values, images, masks, layout,
  scenes: see `MaskData`. image_size: (h, w) that all images are resized to.
  crop: (h, w) of the window that training cuts out at random, () for none.
  scale, degrees, jitter, flip: see `mask_augment`. class_weights: of the loss,
  () for none.
  balance: whether `resolve_masks` sets them by median frequency.
  """
  defaults = {
    "image_size": (64, 64),
    "scenes": (0, 0, 0),
    "eval_batch_size": 8,
    "crop": (),
    "scale": (1.0, 1.0),
    "degrees": 0.0,
    "jitter": 0.0,
    "flip": False,
    "mask_values": (),
    "ignore_values": (),
    "class_weights": (),
    "balance": False,
    "images": "",
    "masks": "",
    "layout": "",
    "on_shared": "error",
  }
  return base_config(**(defaults | values))


def resolve_masks(config: ml_collections.ConfigDict) -> None:
  """Fills in what the masks of a `segmentation_config` say, as a run begins."""
  config.class_names = MaskData.of(config).names()
  config.layout = MaskData.of(config).check()
  if config.balance:
    weights = MaskData.of(config).balanced_weights()
    config.class_weights = weights or config.class_weights


def detection_config(**values: object) -> dict[str, object]:
  """Returns `base_config` with the keys of detection's data.

  dataset, splits, class_names, images, layout, on_bad_box, one_based, scenes:
  see `BoxData`. image_size, letterbox, max_boxes, in_memory, annotations: see
  `detection`. crop, crop_ratio, crop_probability, flip, flip_vertical, jitter:
  see `box_augment`. per_class, voc_ap: whether to evaluate each class too, and
  VOC's average precision. only: trains on so many images, and evaluates on them
  too, as `seen`, to see whether it can learn them by heart; 0 trains on all.
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
    "crop": (),
    "crop_ratio": (1.0, 1.0),
    "crop_probability": 1.0,
    "flip": 0.0,
    "flip_vertical": 0.0,
    "jitter": 0.0,
    "per_class": False,
    "voc_ap": False,
    "only": 0,
  }
  return base_config(**(defaults | values))


def resolve_boxes(config: ml_collections.ConfigDict) -> None:
  """Fills in what the boxes of a `detection_config` say, as a run begins."""
  config.class_names = BoxData.of(config).names()
  config.layout = BoxData.of(config).check()
