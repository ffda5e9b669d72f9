"""Images in, predictions out: a trained workdir on images of one's own."""

import pathlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
import numpy as np
from etils import epath

from vision_jax.core.execution import Execution
from vision_jax.core.step import make_predict_step
from vision_jax.core.types import Output, Variables
from vision_jax.data.assembly import Arrays
from vision_jax.data.by_size import BySize
from vision_jax.data.loader import Loader
from vision_jax.data.sources.arrays import ArraySource
from vision_jax.data.sources.given_images import Given, given_images
from vision_jax.data.sources.video import VideoFrames
from vision_jax.errors import UserError
from vision_jax.experiment import Experiment, Predict
from vision_jax.inference.progress import Progress
from vision_jax.inference.results import LARGE, WRITTEN, Formats, Results
from vision_jax.inference.threshold import NONE, Threshold
from vision_jax.inference.tiled import Tiled
from vision_jax.inference.windows import Tiling, Windows
from vision_jax.writers import folder
from vision_jax.writers.base import OF_BOXES, Row


def predict_folder(
  experiment: Experiment,
  weights: Variables,
  execution: Execution,
  images: str,
  output: epath.Path,
  *,
  batch_size: int,
  on_bad_image: str = "skip",
  formats: Formats | None = None,
  threshold: Threshold = NONE,
  every: int = 1,
  tiling: Tiling | None = None,
  log: Callable[[str], None] = print,
) -> int:
  """Writes `predictions.jsonl`, one object for each image; returns how many.

  An object has `file`, what `writers.line` says of the outputs, and what the
  formats say. An unreadable image under on_bad_image="skip" has `error`, and is
  logged at the end. Lines come as images are done, each after its files, so
  that of a call that is killed whole ones stay; what is of all images together
  (a table, a COCO file) comes at the end.

  Args:
    experiment: its task predicts, and its `predict` says how.
    weights: parameters and statistics.
    execution: where to run.
    images: the images, as `given_images` takes them: a video too.
    output: folder to write to.
    batch_size: images at a time.
    on_bad_image: "error" or "skip".
    formats: names of files in vision_jax/writers, or what makes a writer; None
      takes the experiment's.
    threshold: the least score that counts.
    every: of a video, of so many frames the first is taken.
    tiling: cuts images into windows, which the net sees one by one; None shows
      it images whole.
    log: prints a line for the user.

  Raises:
    UserError: if the experiment does not predict, there are no images, a format
      does not fit the task, or the output folder has results of an earlier
      call.
  """
  how, source = _how(experiment), given_images(images, every)
  loader = _loader(
    *(how, source, execution, tiling),
    batch_size=batch_size,
    on_bad_image=on_bad_image,
  )
  if not isinstance(source, VideoFrames):
    check_apart(source.folder, output)
  names = folder.names(source.files, source.folder)
  folder.check_fresh(output, WRITTEN)
  with loader.shard(*execution.share) as loader:
    first = next(loader.epoch())
    shapes = _shapes(experiment, weights, first)
    results = Results(
      *(how, experiment.task, output, formats, threshold), shapes=shapes
    )
    large, tiled = results.large, None
    if tiling:
      tiled = Tiled(
        *(loader.source, tiling, experiment.task, shapes, threshold.value),
        probs=large is not None,
      )
      large = tiled.output
      log(tiling.words(first["image"].shape[1:3]))
    output.mkdir(parents=True, exist_ok=True)
    rows = _outputs(experiment, weights, execution, loader, large)
    rows = tiled(rows) if tiled else rows
    if jax.process_index() > 0:
      return sum(1 for _ in rows)
    progress = Progress(len(source), batch_size)
    for index, row in rows:
      results(source.files[index], row, names[index])
      progress()
    rate = progress.close()
    results.close(log, source.files, loader.skipped_reasons)
    log(rate)
  return len(source)


def _loader(
  how: Predict,
  source: Given,
  execution: Execution,
  tiling: Tiling | None,
  **options: Any,
) -> Loader | BySize:
  """Returns batches of one size, or of each size; of images or windows."""
  transforms = how.transforms
  if isinstance(source, VideoFrames):  # of one size, and read in order
    options |= {"threads": 1}
  if tiling:  # of one size, too
    first, *transforms = transforms
    source = Windows(source, first, tiling.tiles)
  elif how.own_size and not isinstance(source, VideoFrames):
    loader = BySize(source, transforms, **options)
    return loader.rounded(execution.divisor)
  return Loader(source, transforms, shuffle=False, **options)


def check_apart(images: pathlib.Path, output: epath.Path) -> None:
  """Refuses results among the images, where a later call would read them."""
  place, images = pathlib.Path(output).resolve(), images.resolve()
  if place == images or images in place.parents:
    raise UserError(
      f"--output: {output} is in the folder of the images, {images}, where a "
      "later call would take its overlays for images; expected a folder "
      "outside of it."
    )


def predict_arrays(
  experiment: Experiment,
  weights: Variables,
  execution: Execution,
  images: np.ndarray,
  *,
  batch_size: int,
) -> dict[str, np.ndarray]:
  """Returns the outputs of images (n, h, w, c) uint8, by name (n, ...).

  Raises:
    UserError: if the experiment does not predict.
  """
  transforms = _how(experiment).transforms
  source = ArraySource({"image": images})
  options = {"batch_size": batch_size, "shuffle": False}
  loader = Loader(source, transforms, **options)
  with loader.shard(*execution.share) as loader:
    outputs = sorted(_outputs(experiment, weights, execution, loader))
  rows = [row for _, row in outputs]
  names = rows[0].keys() - {"index", "mask"}
  return {name: np.stack([row[name] for row in rows]) for name in names}


def _how(experiment: Experiment) -> Predict:
  if experiment.predict is None and experiment.stream is not None:
    raise UserError(
      f"--mode=predict: this net sees {experiment.stream.window} frames of "
      f"{experiment.stream.key} together, and no single images; use "
      "--mode=stream --stream=FILE."
    )
  if experiment.predict is None:
    raise UserError(
      "--mode=predict: this config's Experiment has no `predict`; add "
      "predict=Predict(transforms, class_names) to its build()."
    )
  return experiment.predict


def _shapes(
  experiment: Experiment, weights: Variables, batch: Arrays
) -> dict[str, jax.ShapeDtypeStruct]:
  """Returns what is predicted of an image: name -> shape; compiles nothing."""
  found = {}
  for name in (None, *LARGE):
    output = getattr(experiment.task, name, None) if name else None
    if name and output is None:
      continue
    step = make_predict_step(
      experiment.task, inputs=experiment.inputs, output=output
    )
    key = jax.eval_shape(lambda: jax.random.key(0))
    found |= jax.eval_shape(step, *weights, (), batch, key)
  return {
    name: jax.ShapeDtypeStruct(x.shape[1:], x.dtype)
    for name, x in found.items()
  }


def _outputs(
  experiment: Experiment,
  weights: Variables,
  execution: Execution,
  loader: Loader | BySize,
  output: Output | None = None,
) -> Iterator[tuple[int, Row | None]]:
  """Yields (index, outputs) of each image, None for an unreadable one.

  A batch is on its way while the one before it is written.
  """
  step = execution.eval_step(
    make_predict_step(experiment.task, inputs=experiment.inputs, output=output)
  )
  key, ahead = execution.init(lambda: jax.random.key(0)), None
  for batch in loader.epoch():
    begun = step(*weights, (), execution.put(batch), key)
    if ahead is not None:
      yield from _rows(ahead, len(loader.source))
    ahead = begun
  yield from _rows(ahead, len(loader.source))


def _rows(
  outputs: Mapping[str, jax.Array], count: int
) -> Iterator[tuple[int, Row | None]]:
  """Yields the rows of a batch that are of one of `count` images, in order."""
  rows = jax.device_get(outputs)
  for i in np.argsort(rows["index"], kind="stable"):
    if rows["index"][i] < count:  # the rest fills the last batch
      row = _there({k: v[i] for k, v in rows.items()})
      yield int(rows["index"][i]), row if row["mask"] > 0 else None


def _there(row: Row) -> Row:
  """Returns an image's outputs without boxes of score 0, which are none."""
  if not {"boxes", "score", "label"} <= row.keys():
    return row
  there = row["score"] != 0
  return row | {k: row[k][there] for k in OF_BOXES if k in row}
