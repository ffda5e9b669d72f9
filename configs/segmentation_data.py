"""Data sets of the segmentation configs: loaders, evaluations, prediction.

`config.dataset` names one: "camvid", "folder" (a folder of images and one of
masks) or "scenes", generated digit scenes, which need no data and stand in for
the others in `tiny` variants: background and ten digits are 11 classes, as
CamVid has.
"""

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from configs.data import check_scenes, tell_unused
from configs.segmentation_sizes import OwnSize
from vision_jax.data.errors import some
from vision_jax.data.loader import Loader
from vision_jax.data.masks import (
  CAMVID_CLASSES,
  CAMVID_VOID,
  MaskFolder,
  camvid,
  keep,
)
from vision_jax.data.memory import InMemory
from vision_jax.data.scenes import DigitScenes
from vision_jax.data.subsets import split_train
from vision_jax.data.targets import decode_target, resize_with_target
from vision_jax.data.transforms import decode, resize
from vision_jax.errors import UserError
from vision_jax.experiment import Eval, Predict
from vision_jax.losses.segmentation import median_frequency_weights
from vision_jax.metrics.segmentation import Segmentation
from vision_jax.ops import augment
from vision_jax.ops.augment.dense import random_scale_rotate, random_window
from vision_jax.ops.inputs import normalize
from vision_jax.viz.panels import segmentation_panel
from vision_jax.writers.masks import MaskWriter

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
CROWD, FEW = 15, 5  # digits in a scene at most, to train and to evaluate
MANY = 20  # values of masks that are listed
SCENE_NAMES = ("background", *"0123456789")


def data_values(variant: str, **values: Any) -> dict[str, Any]:
  """Returns the config keys that this module reads, with their defaults.

  dataset: see above. image_size: (h, w) that all images are resized to.
  scenes: how many to generate, for train, val and test. crop: (h, w) of the
  window that training cuts out at random, () for none; evaluation and
  prediction then slide such windows. scale, degrees, jitter: of the
  augmentation (scale 1, 1 is none). flip: whether to mirror. class_names: of
  the labels. mask_values, ignore_values: see `decode_target`. class_weights:
  of the loss, () for none. balance: whether `resolve` sets them by median
  frequency. images, masks: folders of the data set "folder".
  """
  tiny = {}
  if variant == "tiny":
    tiny = {
      "dataset": "scenes",
      "image_size": (32, 32),
      "scenes": (64, 16, 32),
      "eval_batch_size": 16,
      "class_names": SCENE_NAMES,
      "mask_values": (),
      "ignore_values": (),
      "crop": (),
    }
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
  }
  return defaults | values | tiny


def camvid_values(variant: str, **values: Any) -> dict[str, Any]:
  """Returns `data_values` of CamVid at 360 x 480, with its augmentation."""
  given = {
    "dataset": "camvid",
    "image_size": (360, 480),
    "class_names": CAMVID_CLASSES,
    "ignore_values": (CAMVID_VOID,),
    "flip": True,
  }
  return data_values(variant, **(given | values))


def experiment_fields(
  config: Any, weights: Sequence[str] = ("raw",), output: Any = None
) -> dict[str, Any]:
  """Returns an Experiment's train_data, inputs, evals, augment and predict.

  Args:
    config: with the keys of `data_values`.
    weights: which weights to evaluate: "raw", "ema".
    output: of each Eval; None for the task's prediction.
  """
  sources = _sources(config)
  names = tuple(config.class_names)
  loader = lambda source, size, **options: Loader(
    source,
    [keep("image", "target")],
    batch_size=size,
    seed=config.seed,
    threads=config.threads or None,
    on_bad_image=config.on_bad_image,
    **options,
  )
  evals = {
    name: Eval(
      loader(source, config.eval_batch_size, shuffle=False),
      {"segmentation": _metric(config, source)},
      output=output,
      weights=weights,
      pictures=lambda batch, out: {
        "predictions": segmentation_panel(batch, out["target"], names)
      },
    )
    for name, source in sources.items()
    if name != "train"
  }
  size = tuple(config.image_size)
  return {
    "train_data": loader(sources["train"], config.batch_size),
    "inputs": normalize(*IMAGENET),
    "evals": evals,
    "augment": _augment(config),
    "predict": Predict(
      [decode(bits=config.bits), resize(size)], names, MaskWriter
    ),
  }


def resolve_classes(config: Any) -> None:
  """Fills in what the masks say: class names and weights, when a run begins.

  Raises:
    UserError: if the masks have values that do not say what they are.
  """
  if config.dataset == "folder" and not config.class_names:
    names = _count_classes(config)
    config.class_names = tuple(str(i) for i in range(names))
  if config.balance and config.dataset != "scenes":
    k = len(config.class_names)
    pixels, present = _folder(config, "train").class_pixels(_target(config), k)
    weights = median_frequency_weights(pixels, present)
    config.class_weights = tuple(round(float(w), 4) for w in weights)


def _metric(config: Any, source: Any) -> Segmentation:
  """Scores at the masks' own size, where it is not `image_size`."""
  names = tuple(config.class_names)
  part, own_size = source.source, None

  def masks() -> list[pathlib.Path]:
    files = getattr(part, "source", part).files
    return [files[i][1] for i in getattr(part, "indices", range(len(files)))]

  if config.dataset != "scenes":
    own_size = OwnSize(masks, _target(config))
  return Segmentation(len(names), class_names=names, own_size=own_size)


def _count_classes(config: Any) -> int:
  if config.mask_values:
    return len(config.mask_values)
  values = set(_folder(config, "train").values()) - set(config.ignore_values)
  if values != set(range(len(values))):
    raise UserError(_gaps(config.masks, sorted(values)))
  return len(values)


def _gaps(masks: str, values: Sequence[int]) -> str:
  found = f"--config.masks: {masks} has the values {some(values, MANY)}"
  if len(values) > MANY:
    return (
      f"{found}; expected 0, 1, 2, ... without gaps. So many values are those "
      "of pictures, or of masks that were resized smoothly or saved lossily: "
      "export the masks anew, as PNG. If each is a class, give all class_names "
      "and mask_values."
    )
  listed = ",".join(map(str, values))
  return (
    f"{found}; expected 0, 1, 2, ... without gaps. Say which value each class "
    f"has, as in --config.mask_values={listed}, and which do not count, as in "
    "--config.ignore_values=255; or give all class_names, if masks lack some."
  )


def _folder(config: Any, split: str) -> MaskFolder:
  if config.dataset == "camvid":
    return camvid(split, config.data_dir)
  if not config.images or not config.masks:
    raise UserError(
      f"--config.images={config.images} --config.masks={config.masks}: "
      "expected a folder of images and a folder of masks of the same names."
    )
  return MaskFolder(config.images, config.masks)


def _target(config: Any) -> Any:
  return decode_target(
    len(config.class_names),
    mask_values=tuple(config.mask_values),
    ignore_values=tuple(config.ignore_values),
  )


def _sources(config: Any) -> Mapping[str, Any]:
  """Returns train and what is evaluated, in memory, by name."""
  size = tuple(config.image_size)
  if config.dataset == "scenes":
    tell_unused(config)
    return _scenes(config, size)
  decoded = lambda source: InMemory(
    source,
    [decode(bits=config.bits), _target(config), resize_with_target(size)],
    config.threads,
  )
  if config.dataset not in ("camvid", "folder"):
    raise UserError(
      f"--config.dataset: got {config.dataset!r}; expected camvid, folder or "
      "scenes."
    )
  if config.dataset == "camvid":
    splits = ("train", "val", "test")
    return {split: decoded(_folder(config, split)) for split in splits}
  train, val = split_train(MaskFolder(config.images, config.masks), 0.1, seed=0)
  return {"train": decoded(train), "val": decoded(val)}


def _scenes(config: Any, size: tuple[int, int]) -> Mapping[str, Any]:
  """Train and val draw from the same digits, in other scenes.

  Training scenes are crowded, which teaches more digits at the same cost.
  """
  scenes = lambda split, length, digits, seed: InMemory(
    DigitScenes(split, length, size=size[0], max_objects=digits, seed=seed),
    [keep("image", "target")],
    config.threads,
  )
  check_scenes(config)
  train, val, test = config.scenes
  found = {
    "train": scenes("train", train, CROWD, 0),
    "val": val and scenes("train", val, FEW, 1),
    "test": test and scenes("test", test, FEW, 0),
  }
  return {name: source for name, source in found.items() if source}


def _augment(config: Any) -> Any:
  """Returns what the config asks for, None if that is nothing."""
  steps, size = [], tuple(config.crop) or None
  if tuple(config.scale) != (1.0, 1.0) or config.degrees:
    scale = tuple(config.scale)
    steps.append(random_scale_rotate(scale, config.degrees, size=size))
  elif size:
    steps.append(random_window(size))
  if config.flip:
    steps.append(augment.random_flip())
  if config.jitter:
    colour = augment.color_jitter(
      *[config.jitter] * 3, value_range=augment.normalized_range(*IMAGENET)
    )
    steps.append(colour)
  return augment.sequence(*steps) if steps else None
