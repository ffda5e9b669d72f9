"""Semantic segmentation: sources with masks in; loaders and evaluations out."""

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence

from vision_jax.core.types import Augment, Metric, Output
from vision_jax.data.memory import InMemory
from vision_jax.data.source import Source
from vision_jax.data.sources.masks import MaskFolder
from vision_jax.data.subsets import Part
from vision_jax.data.transforms.base import Transform, keep
from vision_jax.data.transforms.image import resize
from vision_jax.data.transforms.masks import (
  decode_target,
  resize_with_target,
)
from vision_jax.experiment import Eval, Predict
from vision_jax.metrics.segmentation import Segmentation
from vision_jax.ops import augment
from vision_jax.ops.augment.dense import random_window
from vision_jax.ops.inputs import normalize
from vision_jax.pipelines.colours import IMAGENET, Colours, check_coloured
from vision_jax.pipelines.data import Data, Loading
from vision_jax.pipelines.own_size import OwnSize
from vision_jax.viz.panels import segmentation_panel

_KEYS = ("image", "target")


def segmentation(
  *,
  train: Source,
  evals: Mapping[str, Source],
  class_names: Sequence[str],
  image_size: Sequence[int],
  loading: Loading,
  metrics: Mapping[str, Metric],
  decode_mask: Transform | None = None,
  mask_values: Sequence[int] = (),
  colours: Colours | None = None,
  augment: Augment | None = None,
  weights: Sequence[str] = ("raw",),
  output: Output | None = None,
  more: Sequence[str] = (),
) -> Data:
  """Returns what an experiment takes, of sources of images with masks.

  Images and masks are decoded, resized and kept in memory; bytes travel, and
  `inputs` normalises them.

  Args:
    train: a source whose examples have `image` and `target`, encoded or not.
    evals: name -> such a source.
    class_names: the labels' names.
    image_size: (h, w) that all images are resized to.
    loading: how examples become batches.
    metrics: what each evaluation measures. A `Segmentation` compares masks of
      files at their own size, where that is another.
    decode_mask: what decodes a mask; None where its values are the classes.
    mask_values: the value that each class has in predicted masks; () for its
      number.
    colours: mean and standard deviation of a channel; None for those of
      `loading`.
    augment: (batch, key) -> batch, see `mask_augment`.
    weights: which weights to evaluate: "raw", "ema".
    output: what each evaluation looks at; None for the task's prediction.
    more: further maps of an example that batches have, such as `instances`, at
      `image_size` as they are.
  """
  names, size = tuple(class_names), tuple(image_size)
  decode_mask = decode_mask or decode_target(len(names))
  steps = [
    loading.decode(),
    decode_mask,
    resize_with_target(size),
    keep(*_KEYS, *more),
  ]
  decoded = lambda source: InMemory(source, steps, loading.threads)
  found = {
    name: Eval(
      loading.evaluation(decoded(source)),
      {k: _at_own_size(m, source, decode_mask) for k, m in metrics.items()},
      output=output,
      weights=weights,
      images=lambda batch, out: {
        "predictions": segmentation_panel(
          batch, out["target"], names, bands=loading.shown_decoded
        )
      },
    )
    for name, source in evals.items()
  }
  return Data(
    train_data=loading.train(decoded(train)),
    evals=found,
    inputs=normalize(*colours or loading.colours),
    predict=Predict(
      [loading.decode(), resize(size)],
      names,
      ("masks", "overlay"),
      mask_values=mask_values,
      show_bands=loading.shown,
    ),
    augment=augment,
  )


def mask_augment(
  *,
  scale: Sequence[float] = (1.0, 1.0),
  degrees: float = 0.0,
  crop: Sequence[int] = (),
  flip: bool = False,
  jitter: float = 0.0,
  colours: Colours = IMAGENET,
) -> Augment | None:
  """Returns what moves image and mask together; None if that is nothing.

  Args:
    scale: (smallest, largest) enlargement; 1, 1 is none.
    degrees: largest turn, either way.
    crop: (h, w) of a window that is cut out at random; () for none.
    flip: whether to mirror.
    jitter: largest change of brightness, contrast and saturation.
    colours: mean and standard deviation that the images were normalised by.
  """
  check_coloured({"jitter": jitter}, colours)
  steps, size, scale = [], tuple(crop) or None, tuple(scale)
  if scale != (1.0, 1.0) or degrees:
    steps.append(augment.random_affine(scale, degrees, size=size))
  elif size:
    steps.append(random_window(size))
  if flip:
    steps.append(augment.random_flip())
  if jitter:
    white = augment.normalized_range(*colours)
    steps.append(augment.color_jitter(*[jitter] * 3, value_range=white))
  return augment.sequence(*steps) if steps else None


def _at_own_size(
  metric: Metric, source: Source, decode_mask: Transform
) -> Metric:
  """Returns the metric as it compares a folder's masks at their own size."""
  whole = source.source if isinstance(source, Part) else source
  if not isinstance(metric, Segmentation) or not isinstance(whole, MaskFolder):
    return metric

  def masks() -> list[pathlib.Path]:
    part = isinstance(source, Part)
    indices = source.indices if part else range(len(whole))
    return [whole.files[i][1] for i in indices]

  return dataclasses.replace(metric, own_size=OwnSize(masks, decode_mask))
