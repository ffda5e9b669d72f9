"""Depth: sources of images with a map each in; loaders and evaluations out."""

from collections.abc import Mapping, Sequence

import numpy as np

from vision_jax.core.types import Augment, Metric
from vision_jax.data.memory import InMemory
from vision_jax.data.source import Source
from vision_jax.data.transforms.base import keep
from vision_jax.data.transforms.depth import decode_depth, resize_with_depth
from vision_jax.data.transforms.image import resize
from vision_jax.experiment import Eval, Predict
from vision_jax.ops.inputs import normalize
from vision_jax.pipelines.data import Arrays, Data, Loading
from vision_jax.viz.grid import grid
from vision_jax.viz.heat import depth_colours
from vision_jax.viz.pixels import to_rgb

SHOWN = 4  # examples that TensorBoard shows


def depth(
  *,
  train: Source,
  evals: Mapping[str, Source],
  image_size: Sequence[int],
  unit: float,
  loading: Loading,
  metrics: Mapping[str, Metric],
  augment: Augment | None = None,
) -> Data:
  """Returns what an experiment takes, of sources of images with depth.

  Images are resized and kept in memory; maps are, too, by their nearest pixels.

  Args:
    train: a source whose examples have `image` and `depth` (h w), or `target`,
      the file of such a map.
    evals: name -> such a source.
    image_size: (h, w) that all images are resized to.
    unit: metres that a value of 1 is in files, see `decode_depth`.
    loading: how examples become batches.
    metrics: what each evaluation measures.
    augment: (batch, key) -> batch.
  """
  size = tuple(image_size)
  steps = [
    loading.decode(),
    decode_depth(unit),
    resize_with_depth(size),
    keep("image", "depth"),
  ]
  decoded = lambda source: InMemory(source, steps, loading.threads)
  return Data(
    train_data=loading.train(decoded(train)),
    evals={
      name: Eval(loading.evaluation(decoded(source)), metrics, images=_panel)
      for name, source in evals.items()
    },
    inputs=normalize(*loading.colours),
    predict=Predict(
      [loading.decode(), resize(size)],
      formats=("depth",),
      show_bands=loading.shown,
    ),
    augment=augment,
  )


def _panel(batch: Arrays, out: Arrays) -> dict[str, np.ndarray]:
  """Rows of an image, its depth and the predicted one."""
  cells = []
  for i in np.flatnonzero(np.asarray(batch["mask"]) > 0)[:SHOWN]:
    maps = (np.asarray(x["depth"][i]) for x in (batch, out))
    cells += [to_rgb(batch["image"][i]), *map(depth_colours, maps)]
  titles = ["image", "depth", "prediction"] * (len(cells) // 3)
  return {"depth": grid(cells, 3, titles=titles)}
