"""Images out of a trained generator: a grid, single files, an npz."""

import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
from etils import epath

from vision_jax.core.execution import Execution
from vision_jax.core.seeds import make_key
from vision_jax.core.step import make_predict_step
from vision_jax.core.types import Generative, HostBatch, Task, Variables
from vision_jax.errors import UserError
from vision_jax.experiment import Experiment
from vision_jax.inference import memorised
from vision_jax.report.progress import Progress
from vision_jax.writers import folder
from vision_jax.writers.images import (
  WRITTEN,
  to_bytes,
  write_images,
  write_video,
)

BATCH = 64


def sample_folder(
  experiment: Experiment,
  weights: Variables,
  execution: Execution,
  shape: tuple[int, ...],
  output: epath.PathLike,
  *,
  num_samples: int = 64,
  label: int | None = None,
  seed: int = 0,
  batch_size: int = BATCH,
  nearest: int = 0,
  video: float = 0.0,
  log: Callable[[str], None] = print,
  **options: bool | float | str | None,
) -> int:
  """Draws images into a folder; returns how many.

  Writes `grid.png` of the first, `00000.png` and on, and `samples.npz` with
  `image` (n, h, w, c) uint8 and what they were asked for, `label` (n,) of a
  class-conditional generator: a folder that classifiers train on as on any
  other. An image depends on the weights, the options, `seed`, its number
  and what it was asked for alone, not on the batch size or the devices, which
  share each batch.

  With `nearest` the training images nearest to each are shown, see
  `memorised.write_nearest`; with `video` the images are frames of
  `samples.mp4`, too.

  Args:
    experiment: the experiment; its task is `Generative`.
    weights: (params, stats).
    execution: where to run.
    shape: shape of a training batch's images, (b, h, w, c); () where it has
      none.
    output: the folder; created.
    num_samples: how many images.
    label: the class of all; None goes through the classes in turn, a class for
      each row of `interpolate` or `traverse` images.
    seed: seed of the noise.
    batch_size: images at once, rounded up to a multiple of the devices.
    nearest: how many training images to show beside each.
    video: images a second; 0 for none.
    log: prints a line for the user.
    **options: of `task.sample` (sampler, steps, guidance, eta, interpolate);
      None is its default. And texts of what the task's condition asks for.

  Raises:
    UserError: if the task does not sample, for options that it does not take,
      labels out of range, and a folder with the samples of an earlier call.
    RunFailure: if images are not finite.
  """
  folder.check_fresh(output, WRITTEN)
  drawn, columns = draw(
    *(experiment.task, weights, execution, shape, num_samples),
    **{"label": label, "seed": seed, "batch_size": batch_size},
    **options,
  )
  if jax.process_index() == 0:
    output = epath.Path(output)
    write_images(output, drawn, columns)
    if video:
      write_video(output / "samples.mp4", drawn["image"], video)
    if nearest:
      memorised.write_nearest(experiment, drawn["image"], nearest, output, log)
    log(f"{num_samples} images: {output}")
  return num_samples


def draw(
  task: Task,
  weights: Variables,
  execution: Execution,
  shape: tuple[int, ...],
  num_samples: int,
  *,
  label: int | None = None,
  seed: int = 0,
  batch_size: int = BATCH,
  **options: bool | float | str | None,
) -> tuple[dict[str, np.ndarray], int | None]:
  """Draws `image` (n, h, w, c) uint8, with what they were asked for.

  Takes and raises what `sample_folder` does. Returns also the columns that a
  grid of them has, or None where it is all one.
  """
  options = _check_options(task, options)
  if len(shape) != 4:
    raise UserError(
      f"--mode=sample: batches have images of shape {shape} as the task sees "
      "them; expected `image` (b, h, w, c), by which the size of samples is "
      "known. Let the experiment's `inputs` give it."
    )
  row = options.get("interpolate", 0) or options.get("traverse", 0)
  asks = task.condition.asks
  wanted = {k: options.pop(k) for k in asks if k in options}
  asked = _asked(task, num_samples, label, wanted, max(row, 1))
  batch_size = min(batch_size, num_samples)
  batch_size = -(-batch_size // execution.divisor) * execution.divisor
  images = _draw(
    *(task, weights, execution, num_samples, shape),
    *(asked, options, seed, batch_size),
  )
  columns = row or (10 if asked and num_samples >= 10 else None)
  return {"image": images, **asked}, columns


def shape_of(
  experiment: Experiment, batch: Mapping[str, Any]
) -> tuple[int, ...]:
  """Returns the shape of a batch's images as the task sees them, or ()."""
  seen = jax.eval_shape(experiment.inputs, dict(batch))
  return seen["image"].shape if "image" in seen else ()


def _check_options(
  task: Task, options: Mapping[str, object]
) -> dict[str, object]:
  """Returns the options that are given, if the task's `sample` takes them."""
  if not isinstance(task, Generative):
    raise UserError(
      f"--mode=sample: {type(task).__name__} does not generate; expected a "
      "workdir of a config in configs/generation."
    )
  given = {k: v for k, v in options.items() if v is not None}
  known = dict.fromkeys(_texts(task)) | _taken(task)
  if unknown := sorted(given.keys() - known.keys()):
    raise UserError(
      f"--sample.{unknown[0]}: {type(task).__name__} samples without it; it "
      "takes "
      f"{', '.join(sorted(known)) or 'no options'}. Leave it out."
    )
  return given


def _taken(task: Generative) -> dict[str, inspect.Parameter]:
  """Returns the options of a task's `sample`, by name."""
  parameters = inspect.signature(task.sample).parameters
  return {
    name: parameter
    for name, parameter in parameters.items()
    if parameter.kind is inspect.Parameter.KEYWORD_ONLY
  }


def _texts(task: Generative) -> list[str]:
  """Returns the names of what is asked for by a text."""
  return [name for name in task.condition.asks if name != "label"]


def read_options(task: Task, texts: Mapping[str, str]) -> dict[str, object]:
  """Reads options of a task's `sample`, each as the type of its default.

  What its condition asks for stays text.

  Raises:
    UserError: if the task does not take one, or it is of another type.
  """
  _check_options(task, texts)
  taken, options = _taken(task), {}
  for name, text in texts.items():
    kind = type(taken[name].default) if name in taken else str
    try:
      options[name] = _SWITCH[text.lower()] if kind is bool else kind(text)
      if kind is float and not math.isfinite(options[name]):
        raise ValueError(text)
    except (KeyError, ValueError):
      raise UserError(
        f"--sample.{name}: got {text!r}; expected a value of type "
        f"{kind.__name__}, like {taken[name].default!r}."
      ) from None
  return options


_SWITCH = {"true": True, "1": True, "false": False, "0": False}


def _asked(
  task: Generative,
  number: int,
  label: int | None,
  wanted: Mapping[str, object],
  row: int,
) -> HostBatch:
  """Returns what a batch of all samples has for the condition."""
  if number < 1:
    raise UserError(f"--num_samples: got {number}; expected at least 1.")
  if label is not None and "label" not in task.condition.asks:
    others = ", ".join(f"--sample.{name}" for name in _texts(task))
    raise UserError(
      f"--label: got {label}, but this model was trained without classes; "
      f"leave it out{others and ', or ask by ' + others}."
    )
  given = {} if label is None else {"label": label}
  return task.condition.ask(number, given | wanted, row=row)


def _draw(
  task, weights, execution, number, shape, asked, options, seed, batch_size
) -> np.ndarray:
  """Returns all images, uint8, on every process."""

  def output(params, stats, batch, key):
    return task.sample(params, stats, batch, key, **options)

  step = execution.eval_step(make_predict_step(task, output=output))
  key = execution.init(lambda: make_key(seed))
  count, drawn = -(-number // batch_size), []
  quiet = jax.process_index() != 0
  progress = Progress(count, batch_size, quiet=quiet)
  for done in range(count):
    index = _slice(done * batch_size, batch_size, execution.share)
    rows = np.minimum(index, number - 1)
    # As the task sees it: its images give a shape and hold no pixels.
    batch = {
      "image": np.zeros((len(index), *shape[1:]), np.float32),
      **{name: x[rows] for name, x in asked.items()},
      "index": index,
      "mask": (index < number).astype(np.float32),
    }
    out = step(*weights, (), execution.put(batch), key)
    image = np.asarray(jax.device_get(out)["image"])
    drawn.append(to_bytes(image, task.value_range))
    progress(done + 1)
  progress.close()
  return np.concatenate(drawn)[:number]


def _slice(start: int, size: int, share: tuple[int, int]) -> np.ndarray:
  """Returns the numbers of this process's images, of those from `start` on."""
  number, count = share
  local = size // count
  begin = start + number * local
  return np.arange(begin, begin + local, dtype=np.int32)
