"""Instances: images with maps that number objects in; loaders, evals out."""

from collections.abc import Mapping, Sequence

import numpy as np

from vision_jax.core.types import Augment, Metric
from vision_jax.data.by_area import by_area
from vision_jax.data.by_size import BySize
from vision_jax.data.source import Source
from vision_jax.data.transformed import Transformed
from vision_jax.data.transforms.base import keep
from vision_jax.data.transforms.instances import (
  decode_instances,
  stretch_levels,
)
from vision_jax.data.transforms.restoration import patch
from vision_jax.experiment import Eval, Predict
from vision_jax.ops.inputs import normalize
from vision_jax.pipelines.colours import GREY, Colours
from vision_jax.pipelines.data import Arrays, Data, Loading
from vision_jax.viz.contours import draw_contours
from vision_jax.viz.grid import grid

SHOWN = 160  # side of the part of an image that TensorBoard shows


def instances(
  *,
  train: Source,
  evals: Mapping[str, Source],
  patch_size: int,
  evenly: bool = False,
  loading: Loading,
  metrics: Mapping[str, Metric],
  stretch: Sequence[float] = (1.0, 99.8),
  colours: Colours = GREY,
  in_memory: bool = True,
  augment: Augment | None = None,
  weights: Sequence[str] = ("raw",),
  class_names: Sequence[str] = (),
  formats: Sequence[str] = ("instances", "overlay"),
) -> Data:
  """Returns what an experiment takes, of sources of images with objects.

  A batch has `image` (b, h, w, c) and `instances` (b, h, w) int32: 0 is
  background, each object has a number of its own. Training sees random squares
  of images; an evaluation each image whole, at its own size, without losses,
  and prediction likewise.

  Args:
    train: a source whose examples have `image`, and `instances` (h w) or
      `target`, the file of such a map.
    evals: name -> such a source.
    patch_size: side of the squares.
    evenly: whether training draws large images more often, so that all places
      come alike; else all images do.
    loading: how examples become batches.
    metrics: what each evaluation measures.
    stretch: percentiles of an image that become black and white, see
      `stretch_levels`; () leaves images as they are.
    colours: mean and standard deviation of a channel, once it is stretched.
    in_memory: whether images stay in memory once they are decoded.
    augment: (batch, key) -> batch, that moves image and instances together.
    weights: which weights to evaluate: "raw", "ema".
    class_names: of what is predicted; () for none.
    formats: what predictions are written as.
  """
  levels = [stretch_levels(*stretch)] if len(stretch) else []
  steps = [
    loading.decode(),
    decode_instances(),
    *levels,
    keep("image", "instances"),
  ]
  decoded = lambda source: Transformed(source, steps, keep=in_memory)

  def measured(source: Source) -> Eval:
    found = BySize(
      decoded(source),
      batch_size=loading.eval_batch_size,
      threads=loading.threads,
      on_bad_image=loading.on_bad_image,
    )
    options = {"losses": False, "images": _found, "weights": weights}
    return Eval(found, metrics, **options)

  trained = decoded(train)
  if evenly:
    trained = by_area(trained, train, patch_size)
  return Data(
    train_data=loading.train(trained, [patch(patch_size, turn=False)]),
    evals={name: measured(source) for name, source in evals.items()},
    inputs=normalize(*colours),
    predict=Predict(
      [loading.decode(), *levels],
      tuple(class_names),
      formats=tuple(formats),
      show_bands=loading.shown,
      own_size=True,
    ),
    augment=augment,
  )


def _found(batch: Arrays, out: Arrays) -> dict[str, np.ndarray]:
  """A part of the first image, with its true objects and those found."""
  image = np.asarray(batch["image"][0][:SHOWN, :SHOWN])
  image = image if image.shape[-1] in (1, 3) else image[..., :1]
  cells = [
    draw_contours(image, np.asarray(x["instances"][0][:SHOWN, :SHOWN]))
    for x in (batch, out)
  ]
  return {"instances": grid(cells, 2, titles=["truth", "prediction"])}
