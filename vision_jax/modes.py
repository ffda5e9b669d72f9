"""What a trained workdir is used for: figures, predictions, samples."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
from absl import flags
from etils import epath

from vision_jax.core.execution import Execution, make_execution
from vision_jax.errors import UserError
from vision_jax.files import add_line, to_json
from vision_jax.recipe.recipe import Recipe
from vision_jax.train import initial
from vision_jax.train.checkpoint.weights import read_weights
from vision_jax.train.evaluate import Evaluator
from vision_jax.train.log.manifest import data_changes

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
    self.execution: Execution = make_execution(
      self.values.execution, self.values.mesh
    )
    self.experiment = self.recipe.build()
    make = initial.state_maker(
      self.experiment, self.batch, self.recipe.config.seed
    )
    state = initial.abstract_state(make, self.execution)
    self._target = (state.params, state.stats)

  def read(self, *kinds: str) -> tuple[int, dict[str, tuple[Any, Any]]]:
    """Reads "raw" or "ema" weights, or both, of one step.

    Returns:
      The step, and the parameters and statistics of each kind.
    """
    checkpoint = self.values.checkpoint
    if checkpoint not in ("latest", "best") and not checkpoint.isdigit():
      raise UserError(
        f"--checkpoint: got {checkpoint!r}; expected latest, best or a step."
      )
    return read_weights(
      self.workdir,
      self._target,
      which=int(checkpoint) if checkpoint.isdigit() else checkpoint,
      kinds=kinds,
      best=self.experiment.best,
    )

  def weights(self) -> tuple[Any, Any]:
    """Reads the weights to predict with, and says which they are."""
    kind = self.values.weights or self.experiment.weights
    step, found = self.read(kind)
    name = "averaged (ema)" if kind == "ema" else "raw"
    self.say(f"Weights: {name}, of step {step}.")
    return found[kind]


def evaluate(trained: Trained) -> None:
  """Prints the figures of the config's data sets as one JSON object.

  Adds them to `evaluations.jsonl` in the workdir too: a line, or on an object
  store a file of the folder `evaluations`. `checkpoint` is the step.
  """
  evals = trained.experiment.evals.items()
  data = {name: each.data.fingerprint() for name, each in evals}
  for change in data_changes(trained.workdir, data):
    trained.say(change)
  experiment, only = trained.experiment, trained.values.weights
  asked = {
    which for data in experiment.evals.values() for which in data.weights
  }
  step, weights = trained.read(*([only] if only else sorted(asked)))
  figures = Evaluator(experiment, trained.execution)(weights.get, only)
  text = to_json({"checkpoint": step} | figures)
  if jax.process_index() == 0:
    print(text, flush=True)
    add_line(trained.workdir / "evaluations.jsonl", text)


def predict(trained: Trained) -> None:
  """Predicts on a folder of images."""
  from vision_jax.inference.predict import predict_folder

  values, devices = trained.values, trained.execution.devices
  predict_folder(
    trained.experiment,
    trained.weights(),
    trained.execution,
    values.images,
    epath.Path(values.output),
    batch_size=-(-PREDICT_BATCH // devices) * devices,
    on_bad_image=trained.recipe.config.on_bad_image,
    say=trained.say,
  )


def sample(trained: Trained) -> None:
  """Draws images from a generator."""
  from vision_jax.inference.sample import sample_folder

  values = trained.values
  sample_folder(
    trained.experiment,
    trained.weights(),
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
