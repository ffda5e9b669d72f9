"""A trained workdir out as a file of others, compared before it is there."""

import importlib
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from vision_jax.errors import UserError
from vision_jax.experiment import Experiment
from vision_jax.export import about, compare, place
from vision_jax.export.examples import examples
from vision_jax.export.net import Net, plain
from vision_jax.export.net import run as run_net
from vision_jax.export.options import How
from vision_jax.files import whole_folder
from vision_jax.inference.trained import Trained


def export(
  trained: Trained,
  format: str,
  output: str,
  how: How,
  *,
  images: str | None = None,
  **run: Any,
) -> str:
  """Writes a folder of one format; returns a line that says so.

  Args:
    trained: the workdir's.
    format: a file of this package, such as "stablehlo".
    output: a folder that is not there yet.
    how: what the user chooses.
    images: what to compare on; None for photographs.
    **run: what `about` says of the run: config, variant, values.

  Raises:
    UserError: if there is such a folder, or the net cannot be in the format.
    RunFailure: if what was written gives other outputs; then nothing is kept.
  """
  folder = place.check_place(output)
  writer = importlib.import_module(f"vision_jax.export.{format}")
  if jax.process_count() > 1:
    raise UserError("--mode=export: got several processes; expected one.")
  net = _net(trained, format, writer.NEEDS_IMAGES, images, run)
  with whole_folder(folder) as new:
    writer.write(net, new, how)
    line = _compared(net, writer.read(net, new, how))
  files = sorted(x.name for x in folder.iterdir())
  return f"{line}\nWrote {folder}: {', '.join(files)}"


def _net(
  trained: Trained,
  format: str,
  needs_images: bool,
  images: str | None,
  run: Mapping[str, Any],
) -> Net:
  experiment, arrays = trained.experiment, ()
  if experiment.predict is not None and "image" in trained.batch:
    channels = trained.batch["image"].shape[-1]
    arrays = examples(experiment.predict, channels, images)
  elif needs_images:
    raise UserError(
      f"--format={format}: this net predicts nothing of an image; expected a "
      "classifier, a segmenter or a detector. --format=safetensors takes the "
      "weights of any net."
    )
  step, weights = trained.chosen()
  weights = jax.device_get(weights)
  live = run_net(experiment, weights, arrays)
  description = about.describe(
    experiment,
    arrays,
    live,
    **run,
    step=step,
    weights=trained.kind,
    metrics=about.metrics_of(trained.workdir, step),
  )
  return Net(*plain(experiment, weights), description, arrays)


def _compared(net: Net, written: Any) -> str:
  """Compares a batch, and an image alone; returns what was found."""
  if not net.examples:
    return "The weights read back are the same."
  limit = _limit(net.experiment)
  line = compare.check_same(net.live, written(*net.examples), limit)
  one = lambda arrays: [x[:1] for x in arrays]
  alone = run_net(net.experiment, net.weights, one(net.examples))
  compare.check_same(alone, written(*one(net.examples)), limit)
  return f"{line} ({len(net.examples[0])} images)."


def _limit(experiment: Experiment) -> float:
  model = getattr(experiment.task, "model", None)
  bits = jnp.finfo(getattr(model, "dtype", jnp.float32)).bits
  return compare.LIMIT if bits >= 32 else compare.LIMIT_16
