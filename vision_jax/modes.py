"""What a trained workdir is used for: figures, predictions, samples."""

import dataclasses
import json
from collections.abc import Callable
from typing import Any

import jax
from absl import flags
from etils import epath

from vision_jax.core.execution import Jit, make_execution
from vision_jax.errors import UserError
from vision_jax.recipe import Recipe
from vision_jax.train import initial
from vision_jax.train.evaluate import Evaluator
from vision_jax.train.manifest import data_changes
from vision_jax.train.weights import restore_weights
from vision_jax.train.workdir import replace_text

PREDICT_BATCH = 32


@dataclasses.dataclass
class Trained:
  """A workdir's experiment with the weights of one of its checkpoints.

  Attributes:
    values: the flags.
    recipe: the workdir's config.
    workdir: the run's folder.
    batch: shapes of a training batch.
    say: tells the user one line.
  """

  values: flags.FlagValues
  recipe: Recipe
  workdir: epath.Path
  batch: Any
  say: Callable[[str], None]

  def __post_init__(self):
    self.execution: Jit = make_execution(
      self.values.execution, self.values.mesh
    )
    self.experiment = self.recipe.build()
    make = initial.state_maker(
      self.experiment, self.batch, self.recipe.config.seed
    )
    state = initial.abstract_state(make, self.execution)
    self._target = (state.params, state.stats)

  def weights(self, which: str) -> tuple[Any, Any]:
    """Reads the parameters and statistics, "raw" or "ema"."""
    checkpoint = self.values.checkpoint
    if checkpoint not in ("latest", "best") and not checkpoint.isdigit():
      raise UserError(
        f"--checkpoint: got {checkpoint!r}; expected latest, best or a step."
      )
    return restore_weights(
      self.workdir,
      self._target,
      which=int(checkpoint) if checkpoint.isdigit() else checkpoint,
      weights=which,
      best=self.experiment.best,
    )


def evaluate(trained: Trained) -> None:
  """Prints the figures of the config's data sets as one JSON object.

  Adds them to `evaluations.jsonl` in the workdir too.
  """
  evals = trained.experiment.evals.items()
  data = {name: each.data.fingerprint() for name, each in evals}
  for change in data_changes(trained.workdir, data):
    trained.say(change)
  evaluator = Evaluator(trained.experiment, trained.execution)
  figures = evaluator(trained.weights, trained.values.weights)
  text = json.dumps({"checkpoint": trained.values.checkpoint} | figures)
  if jax.process_index() == 0:
    print(text, flush=True)
    path = trained.workdir / "evaluations.jsonl"
    before = path.read_text() if path.exists() else ""
    replace_text(path, f"{before}{text}\n")


def predict(trained: Trained) -> None:
  """Predicts on a folder of images."""
  from vision_jax.predict import predict_folder

  values, devices = trained.values, trained.execution.devices
  predict_folder(
    trained.experiment,
    trained.weights(values.weights or "raw"),
    trained.execution,
    values.images,
    epath.Path(values.output),
    batch_size=-(-PREDICT_BATCH // devices) * devices,
    on_bad_image=trained.recipe.config.on_bad_image,
    say=trained.say,
  )


def sample(trained: Trained) -> None:
  """Draws images from a generator."""
  from vision_jax.sample import sample_folder

  values = trained.values
  averaged = "ema" if trained.experiment.ema else "raw"
  sample_folder(
    trained.experiment,
    trained.weights(values.weights or averaged),
    trained.execution,
    trained.batch["image"].shape,
    values.output,
    num_samples=values.num_samples,
    label=values.label,
    seed=values.seed,
    say=trained.say,
    sampler=values.sampler,
    steps=values.steps,
    guidance=values.guidance,
    eta=values.eta,
    interpolate=values.interpolate,
  )
