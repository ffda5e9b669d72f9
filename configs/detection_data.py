"""Data sets of the detection configs: loaders, evaluations, prediction.

`config.dataset` names one: "voc" (a folder of Pascal VOC's form), "coco" (a
folder with annotations/instances_SPLIT.json and a folder of images for each
split), "tfds/NAME" (a prepared set with objects) or "scenes", generated digit
scenes, which need no data and stand in for the others in `tiny` variants.
Labels follow the classes' names, however a file numbers them.
"""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from configs.detection_sources import (
  DIGITS,
  KEYS,
  fit,
  open_sources,
  open_split,
)
from vision_jax.core.checks import check_class_names
from vision_jax.data.boxes import record_size
from vision_jax.data.loader import Loader
from vision_jax.data.masks import keep
from vision_jax.data.subsets import subset
from vision_jax.data.transforms import decode
from vision_jax.experiment import Eval, Predict
from vision_jax.metrics.detection import AveragePrecision
from vision_jax.ops import augment
from vision_jax.ops.augment.boxes import random_crop_boxes, random_flip_boxes
from vision_jax.ops.inputs import normalize
from vision_jax.viz.boxes import draw_boxes
from vision_jax.viz.grid import grid
from vision_jax.writers.boxes import BoxWriter

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_TRUTH = ("size", "ignore", "area")  # of the evaluation only


def data_values(variant: str, **values: Any) -> dict[str, Any]:
  """Returns the config keys that this module reads, with their defaults.

  dataset: see above. splits: of train, val and test, "" for none. image_size:
  (h, w) that all images have. letterbox: whether they keep their proportions,
  with padding. in_memory: whether decoded images are kept. scenes: how many to
  generate, for train, val and test. class_names: of the labels; () reads them
  from train's annotations when a run begins. images: folder of the pictures,
  where annotations lead out of data_dir; "" for the data set's own.
  annotations: COCO json whose ids of images and categories predictions take; ""
  for ids from 1 on. max_boxes: of an image. on_bad_box: "error", "clip" or
  "drop", see `BoxCheck`; evaluation scores the file's boxes. one_based: see
  `VocSource`. crop: (smallest, largest) side of the random window as a part of
  the image, () for none. crop_ratio, crop_probability: of that window. flip,
  flip_vertical: probabilities. jitter: of colours. per_class, voc_ap: whether
  to evaluate each class too, and VOC's average precision. only: trains on so
  many images, and evaluates on them too, as `seen`, to see whether it can learn
  them by heart; 0 trains on all.
  """
  tiny = {}
  if variant == "tiny":
    tiny = {
      "dataset": "scenes",
      "image_size": (32, 32),
      "scenes": (64, 16, 32),
      "eval_batch_size": 16,
      "class_names": DIGITS,
      "max_boxes": 5,
    }
  defaults = {
    "splits": ("train", "val", "test"),
    "image_size": (64, 64),
    "letterbox": False,
    "in_memory": True,
    "scenes": (0, 0, 0),
    "eval_batch_size": 8,
    "class_names": (),
    "images": "",
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
  return defaults | values | tiny


def experiment_fields(
  config: Any, weights: Sequence[str] = ("raw",)
) -> dict[str, Any]:
  """Returns an Experiment's train_data, inputs, evals, augment and predict.

  Args:
    config: with the keys of `data_values`.
    weights: which weights to evaluate: "raw", "ema".
  """
  names = tuple(config.class_names)
  check_class_names("--config.class_names", names)
  sources = open_sources(config)
  if config.only:
    few = subset(sources["train"], np.arange(config.only))
    sources |= {"train": few, "seen": few}
  metric = AveragePrecision(
    names, per_class=config.per_class, voc=config.voc_ap
  )
  evals = {
    name: Eval(
      _loader(config, source, config.eval_batch_size, KEYS + _TRUTH),
      {"ap": metric},
      weights=weights,
      pictures=pictures(names),
    )
    for name, source in sources.items()
    if name != "train"
  }
  steps = [decode(bits=config.bits), record_size(), fit(config)]
  return {
    "train_data": _loader(config, sources["train"], config.batch_size, KEYS),
    "inputs": normalize(*IMAGENET),
    "evals": evals,
    "augment": _augment(config),
    "predict": Predict(
      steps, names, functools.partial(BoxWriter, annotations=config.annotations)
    ),
  }


def resolve_classes(config: Any) -> None:
  """Fills in the classes' names from the annotations, when a run begins."""
  if not config.class_names and config.dataset != "scenes":
    config.class_names = open_split(config, config.splits[0]).class_names


def pictures(names: Sequence[str], most: int = 8, least: float = 0.3) -> Any:
  """Returns what draws a batch's first images with the boxes found.

  Args:
    names: of the classes.
    most: images.
    least: score of a box that is drawn.
  """

  def draw(batch: Mapping[str, Any], out: Mapping[str, Any]) -> dict[str, Any]:
    shown = []
    for i in range(min(most, len(batch["image"]))):
      sure = out["score"][i] >= least
      image = _visible(batch, i)
      boxes = out["boxes"][i][sure] * _shrink(batch, i, image)
      scores, labels = out["score"][i][sure], out["label"][i][sure]
      shown.append(
        draw_boxes(
          *(image, boxes, labels, scores), class_names=names, thickness=1
        )
      )
    return {"boxes": grid(shown)}

  return draw


def _visible(batch: Mapping[str, Any], i: int) -> np.ndarray:
  """The image without padding."""
  image = np.asarray(batch["image"][i])
  if "image_mask" in batch:
    mask = np.asarray(batch["image_mask"][i]) > 0
    image = image[: max(mask.any(1).sum(), 1), : max(mask.any(0).sum(), 1)]
  return image


def _shrink(batch: Mapping[str, Any], i: int, image: np.ndarray) -> np.ndarray:
  """What turns pixels of the original into those of `image`."""
  if "size" not in batch:
    return np.ones(4)
  part = np.array(image.shape[:2]) / np.maximum(np.asarray(batch["size"][i]), 1)
  return np.tile(part[::-1], 2)


def _loader(
  config: Any, source: Any, batch_size: int, keys: Sequence[str]
) -> Loader:
  return Loader(
    source,
    [keep(*keys)],
    batch_size=batch_size,
    seed=config.seed,
    threads=config.threads or None,
    on_bad_image=config.on_bad_image,
    num_classes=len(config.class_names),
  )


def _augment(config: Any) -> Any:
  """Returns what the config asks for, None if that is nothing."""
  steps = []
  if config.crop:
    ratio, chance = tuple(config.crop_ratio), config.crop_probability
    window = tuple(config.crop)
    steps.append(random_crop_boxes(window, ratio=ratio, probability=chance))
  if config.flip or config.flip_vertical:
    steps.append(random_flip_boxes(config.flip, vertical=config.flip_vertical))
  if config.jitter:
    colour = augment.color_jitter(
      *[config.jitter] * 3, value_range=augment.normalized_range(*IMAGENET)
    )
    steps.append(colour)
  return augment.sequence(*steps) if steps else None
