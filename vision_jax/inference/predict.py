"""Pictures in, predictions out: a trained workdir on a folder of images."""

import pathlib
from collections.abc import Callable, Iterator, Sequence

import jax
import numpy as np
from etils import epath

from vision_jax.core.execution import Execution
from vision_jax.core.step import make_predict_step
from vision_jax.core.types import Output, Task, Variables
from vision_jax.data.loader import Loader
from vision_jax.data.sources.arrays import ArraySource
from vision_jax.data.sources.folders import ImageList
from vision_jax.errors import UserError
from vision_jax.experiment import Experiment, Predict
from vision_jax.files import replace_text, to_json
from vision_jax.writers import folder
from vision_jax.writers.base import MakeWriter, Row, Writer
from vision_jax.writers.classes import ClassWriter

WRITTEN = r"masks|overlays|probs|.*\.jsonl?"  # in the output folder
# Outputs too large to be given always: a task that can has a method so called.
LARGE = ("probs",)


def predict_folder(
  experiment: Experiment,
  weights: Variables,
  execution: Execution,
  images: str,
  output: epath.Path,
  *,
  batch_size: int,
  on_bad_image: str = "error",
  writer: MakeWriter | None = None,
  say: Callable[[str], None] = print,
) -> int:
  """Writes `predictions.jsonl`, one object for each image; returns how many.

  An object has `file` and what the experiment's writer tells (`ClassWriter` by
  default). An unreadable image under on_bad_image="skip" has `error`.

  Args:
    experiment: its task predicts, and its `predict` says how.
    weights: parameters and statistics.
    execution: where to run.
    images: folder of the pictures.
    output: folder to write to.
    batch_size: images at a time.
    on_bad_image: "error" or "skip".
    writer: makes what writes predictions; None takes the experiment's.
    say: tells the user one line.

  Raises:
    UserError: if the experiment does not predict, the folder has no images, or
      the output folder has results of an earlier call.
  """
  how = _how(experiment)
  source = ImageList(images)
  loader = Loader(
    source,
    how.transforms,
    batch_size=batch_size,
    shuffle=False,
    on_bad_image=on_bad_image,
  )
  files = [pathlib.Path(file) for file in source.files]
  names = folder.names(files)
  folder.check_fresh(output, WRITTEN)
  output.mkdir(parents=True, exist_ok=True)
  make_writer = writer or how.writer or ClassWriter
  write = make_writer(output, how.class_names)
  main_process, lines = jax.process_index() == 0, []
  with loader:
    large = _large_output(experiment.task, write.needs)
    outputs = _outputs(experiment, weights, execution, loader, large)
    for index, row in outputs:
      if main_process:
        told = {"error": "unreadable image"}
        if row is not None:
          _check_outputs(write, row)
          told = write(files[index], row, names[index])
        lines.append(to_json({"file": str(files[index])} | told) + "\n")
  if main_process:
    write.close()
    path = output / "predictions.jsonl"
    replace_text(path, "".join(lines))
    say(f"{len(lines)} images: {path}")
  return len(source)


def _large_output(task: Task, needs: Sequence[str]) -> Output | None:
  """Returns the method that gives what a writer needs; None for `predict`."""
  methods = [getattr(task, name, None) for name in needs if name in LARGE]
  return next(filter(None, methods), None)


def _check_outputs(writer: Writer, row: Row) -> None:
  """Refuses to write what the task does not predict."""
  if missing := [name for name in writer.needs if name not in row]:
    raise UserError(
      f"--writer: {type(writer).__name__} writes {', '.join(missing)}, which "
      f"this task does not predict; it gives {', '.join(sorted(row))}. Leave "
      "--writer out to take the config's."
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
  with Loader(source, transforms, **options) as loader:
    outputs = sorted(_outputs(experiment, weights, execution, loader))
  rows = [row for _, row in outputs]
  names = rows[0].keys() - {"index", "mask"}
  return {name: np.stack([row[name] for row in rows]) for name in names}


def _how(experiment: Experiment) -> Predict:
  if experiment.predict is None:
    raise UserError(
      "--mode=predict: this config's Experiment has no `predict`; add "
      "predict=Predict(transforms, class_names) to its build()."
    )
  return experiment.predict


def _outputs(
  experiment: Experiment,
  weights: Variables,
  execution: Execution,
  loader: Loader,
  output: Output | None = None,
) -> Iterator[tuple[int, Row | None]]:
  """Yields (index, outputs) of each image, None for an unreadable one."""
  step = execution.eval_step(
    make_predict_step(experiment.task, inputs=experiment.inputs, output=output)
  )
  key = execution.init(lambda: jax.random.key(0))
  count = len(loader.source)
  shard = loader.shard(jax.process_index(), jax.process_count())
  for batch in shard.epoch():
    rows = jax.device_get(step(*weights, (), execution.put(batch), key))
    for i in np.argsort(rows["index"], kind="stable"):
      if rows["index"][i] < count:  # the rest fills the last batch
        row = {k: v[i] for k, v in rows.items()}
        yield int(rows["index"][i]), row if row["mask"] > 0 else None
