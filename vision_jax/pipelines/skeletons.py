"""Skeletons: sources of joints over time in, what is trained on out."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from vision_jax.core.types import Metric, as_given
from vision_jax.data.source import Source
from vision_jax.data.stream import Stream
from vision_jax.data.transforms.base import keep
from vision_jax.data.transforms.clips import mask_joints, window
from vision_jax.experiment import Eval
from vision_jax.pipelines.data import Arrays, Data, Loading
from vision_jax.viz.grid import grid
from vision_jax.viz.strips import strips


def actions(
  *,
  train: Source,
  evals: Mapping[str, Source],
  class_names: Sequence[str],
  frames: int,
  loading: Loading,
  metrics: Mapping[str, Metric],
) -> Data:
  """Returns what an experiment takes, of `joints` (t v c) with a `label`.

  Args:
    train: skeletons of `frames` or more; a joint that was not seen is NaN.
    evals: name -> what is evaluated.
    class_names: the labels' names.
    frames: that the net sees together: anywhere in training, else the middle.
    loading: how examples become batches.
    metrics: what each evaluation measures.
  """

  def steps(random: bool):
    part = window(frames, random=random, keys=("joints",))
    return [part, mask_joints(), keep("joints", "label")]

  return _joints(
    loading.train(train, steps(True), num_classes=len(class_names)),
    {
      name: Eval(loading.evaluation(source, steps(False)), metrics)
      for name, source in evals.items()
    },
    Stream([mask_joints()], frames, "joints", class_names),
  )


def sequences(
  *,
  train: Source,
  evals: Mapping[str, Source],
  class_names: Sequence[str],
  frames: int,
  loading: Loading,
  metrics: Mapping[str, Metric],
) -> Data:
  """Returns what an experiment takes, of `joints` with a `target` (t,).

  Args:
    train: sequences of one length, padded, with a `frame_mask` (t,).
    evals: name -> what is evaluated.
    class_names: the targets' names.
    frames: that the net sees together where they come one by one.
    loading: how examples become batches.
    metrics: what each evaluation measures.
  """
  steps = [mask_joints(), keep("joints", "target", "frame_mask")]
  return _joints(
    loading.train(train, steps),
    {
      name: Eval(
        loading.evaluation(source, steps),
        metrics,
        images=strip_images(class_names),
      )
      for name, source in evals.items()
    },
    Stream([mask_joints()], frames, "joints", class_names),
  )


def _joints(train, evals, stream) -> Data:
  return Data(train, evals, as_given, stream=stream)


def strip_images(
  names: Sequence[str], most: int = 4
) -> Callable[[Arrays, Arrays], dict[str, np.ndarray]]:
  """Returns what draws truth and prediction of a batch's first sequences."""

  def draw(batch: Arrays, out: Arrays) -> dict[str, np.ndarray]:
    cells = []
    for i in np.flatnonzero(np.asarray(batch["mask"]) > 0)[:most]:
      rows = {"truth": batch["target"][i], "prediction": out["target"][i]}
      cells.append(strips(rows, names))
    return {"segments": grid(cells, 1, gap=8)}

  return draw
