"""Sources of the detection configs, decoded and padded to one shape.

`config` has the keys of `configs.detection_data.data_values`.
"""

import functools
import os
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from configs.data import check_scenes, tell_unused
from vision_jax.data.boxes import check_size, letterbox, pad_boxes
from vision_jax.data.coco import CocoSource
from vision_jax.data.masks import keep
from vision_jax.data.memory import InMemory
from vision_jax.data.scenes import DigitScenes
from vision_jax.data.tfds_detection import TfdsDetection
from vision_jax.data.transforms import apply_all, decode, resize
from vision_jax.data.voc import VocSource
from vision_jax.errors import UserError

DIGITS = tuple("0123456789")
KEYS = ("image", "image_mask", "boxes", "label", "box_mask", "crowd")


def fit(config: Any) -> Any:
  """Returns the transform to the size that all images have."""
  size = tuple(config.image_size)
  return letterbox(size) if config.letterbox else resize(size)


def open_sources(config: Any) -> dict[str, Any]:
  """Returns train and what is evaluated, by name, decoded and padded."""
  if config.dataset == "scenes":
    tell_unused(config)
    return _scenes(config)
  steps = [
    decode(bits=config.bits),
    check_size(),
    fit(config),
    pad_boxes(config.max_boxes),
  ]
  memory = functools.partial(InMemory, threads=config.threads)
  make = memory if config.in_memory else _Transformed
  return {
    name: make(open_split(config, split, exact=name != "train"), steps)
    for name, split in zip(("train", "val", "test"), config.splits, strict=True)
    if split
  }


def open_split(config: Any, split: str, exact: bool = False) -> Any:
  """Opens a split; `exact` is for evaluation, see `BoxCheck`."""
  kind, _, name = config.dataset.partition("/")
  given = {
    "class_names": tuple(config.class_names),
    "on_bad_box": config.on_bad_box,
    "exact": exact,
  }
  if kind == "tfds":
    return TfdsDetection(name, split, config.data_dir, **given)
  if kind == "coco":
    root = pathlib.Path(config.data_dir)
    return CocoSource(
      root / "annotations" / f"instances_{split}.json",
      config.images or root / split,
      root=config.images or root,
      **given,
    )
  if kind == "voc":
    return VocSource(
      _folder(config),
      split,
      one_based=config.one_based,
      images=config.images,
      **given,
    )
  raise UserError(
    f"--config.dataset: got {config.dataset!r}; expected voc, coco, scenes or "
    "tfds/NAME."
  )


def _folder(config: Any) -> pathlib.Path:
  """The VOC folder: as given, or BCCD's in the folder of all data."""
  given = pathlib.Path(config.data_dir or os.environ.get("VISION_JAX_DATA", ""))
  inside = given / "bccd_voc"
  alone = config.data_dir and not inside.is_dir()
  return given if alone else inside


class _Transformed:
  """A source's examples after transforms, made anew each time."""

  def __init__(self, source: Any, steps: Sequence[Any]):
    self._source, self._steps = source, steps

  def __len__(self) -> int:
    return len(self._source)

  def fingerprint(self) -> str:
    return self._source.fingerprint()

  def read(self, indices: np.ndarray) -> list[dict[str, Any]]:
    return [
      apply_all(self._steps, example, None)
      for example in self._source.read(indices)
    ]


def _scenes(config: Any) -> dict[str, Any]:
  """Train and val draw from the same digits, in other scenes."""
  if tuple(config.class_names) != DIGITS:
    raise UserError(
      f"--config.class_names: got {tuple(config.class_names)} for scenes of "
      f"digits; expected {DIGITS}."
    )
  check_scenes(config)
  size, most = config.image_size[0], config.max_boxes
  splits = {"train": ("train", 0), "val": ("train", 1), "test": ("test", 0)}
  return {
    name: InMemory(
      DigitScenes(split, length, size=size, max_objects=most, seed=seed),
      [keep(*KEYS)],
      config.threads,
    )
    for (name, (split, seed)), length in zip(
      splits.items(), config.scenes, strict=True
    )
    if length
  }
