"""Pictures in, predictions out: a trained workdir on a folder of images."""

import pathlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import jax
import numpy as np
from etils import epath

from vision_jax import outputs
from vision_jax.core.execution import Jit
from vision_jax.core.step import make_predict_step
from vision_jax.data.folders import ImageList
from vision_jax.data.images import decode_image
from vision_jax.data.loader import Loader
from vision_jax.errors import UserError
from vision_jax.experiment import Experiment
from vision_jax.files import replace_text, to_json
from vision_jax.viz.masks import write_masks

TOP = 5
WRITTEN = r"masks|overlays|.*\.jsonl?"  # in the output folder
Row = Mapping[str, np.ndarray]


class Writer(Protocol):
  """Makes of one image's outputs an object, and files beside it."""

  def __call__(
    self, file: pathlib.Path, row: Row, name: str = ""
  ) -> dict[str, Any]:
    """Returns what `predictions.jsonl` tells of an image.

    Files beside it are called `name`, which no other image of the call has.
    """

  def close(self) -> None:
    """Writes what is of all images together."""


class ClassWriter:
  """Tells an image's most likely classes; the outputs have `logits` (k,).

  `label` (index), `class` (name), `score` (probability), and `top`, the five
  most likely with their scores.
  """

  def __init__(self, output: epath.Path, class_names: Sequence[str]):
    del output
    self._names = class_names

  def __call__(
    self, file: pathlib.Path, row: Row, name: str = ""
  ) -> dict[str, Any]:
    """Returns the classes of an image."""
    del file, name
    shifted = np.exp(row["logits"] - row["logits"].max())
    scores = shifted / shifted.sum()
    order = np.argsort(-scores)[:TOP]
    top = [
      {"class": self._name(k), "score": round(float(scores[k]), 6)}
      for k in order
    ]
    return {"label": int(order[0])} | top[0] | {"top": top}

  def close(self) -> None:
    """Has nothing to write."""

  def _name(self, k: int) -> str:
    return self._names[k] if self._names else str(k)


class MaskWriter:
  """Writes masks and overlays; the outputs have `target` (h, w).

  `mask` and `overlay` are the files, at the image's own size, and `share` is
  each class's part of the pixels.
  """

  def __init__(self, output: epath.Path, class_names: Sequence[str]):
    self._output, self._names = output, tuple(class_names)

  def __call__(
    self, file: pathlib.Path, row: Row, name: str = ""
  ) -> dict[str, Any]:
    """Returns the files and shares of an image."""
    image = decode_image(file.read_bytes(), 3, str(file))
    target = row["target"]
    mask, overlay = write_masks(
      self._output, name or file.stem, image, target, self._names
    )
    labels, counts = np.unique(target, return_counts=True)
    names = [self._names[k] if self._names else str(k) for k in labels]
    shares = np.round(counts / target.size, 6).tolist()
    return {
      "mask": str(mask),
      "overlay": str(overlay),
      "share": dict(zip(names, shares, strict=True)),
    }

  def close(self) -> None:
    """Has nothing to write."""


def predict_folder(
  experiment: Experiment,
  weights: tuple[Any, Any],
  execution: Jit,
  images: str,
  output: epath.Path,
  *,
  batch_size: int,
  on_bad_image: str = "error",
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
    say: tells the user one line.

  Raises:
    UserError: if the experiment does not predict, the folder has no images, or
      the output folder has results of an earlier call.
  """
  if experiment.predict is None:
    raise UserError(
      "--mode=predict: this config's Experiment has no `predict`; add "
      "predict=Predict(transforms, class_names) to its build()."
    )
  source = ImageList(images)
  loader = Loader(
    source,
    experiment.predict.transforms,
    batch_size=batch_size,
    shuffle=False,
    on_bad_image=on_bad_image,
  )
  files = [pathlib.Path(file) for file in source.files]
  names = outputs.names(files)
  outputs.check_fresh(output, WRITTEN)
  output.mkdir(parents=True, exist_ok=True)
  make_writer = experiment.predict.writer or ClassWriter
  writer = make_writer(output, experiment.predict.class_names)
  main_process, lines = jax.process_index() == 0, []
  for index, row in _outputs(experiment, weights, execution, loader):
    if main_process:
      told = {"error": "unreadable image"}
      if row is not None:
        told = writer(files[index], row, names[index])
      lines.append(to_json({"file": str(files[index])} | told) + "\n")
  if main_process:
    writer.close()
    path = output / "predictions.jsonl"
    replace_text(path, "".join(lines))
    say(f"{len(lines)} images: {path}")
  return len(source)


def _outputs(
  experiment: Experiment,
  weights: tuple[Any, Any],
  execution: Jit,
  loader: Loader,
) -> Iterator[tuple[int, Row | None]]:
  """Yields (index, outputs) of each image, None for an unreadable one."""
  step = execution.eval_step(
    make_predict_step(
      experiment.task, inputs=experiment.inputs, axis=execution.axis
    )
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
