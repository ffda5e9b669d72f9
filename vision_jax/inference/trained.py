"""What a trained workdir is used for: metrics, predictions, samples."""

import copy
import sys
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import jax
import numpy as np
from etils import epath

from vision_jax import paths
from vision_jax.core.execution import Execution, Jit
from vision_jax.core.state import joined
from vision_jax.core.types import Batches, Variables
from vision_jax.errors import UserError
from vision_jax.experiment import Experiment
from vision_jax.files import add_line, to_json
from vision_jax.inference import predict, sample
from vision_jax.inference.results import Formats
from vision_jax.inference.threshold import choose
from vision_jax.inference.windows import Tiling
from vision_jax.provenance import parts
from vision_jax.provenance.manifest import last_run, log_differences
from vision_jax.recipe.recipe import Recipe, load_workdir
from vision_jax.recipe.saved import Shapes
from vision_jax.train import initial
from vision_jax.train.checkpoint.weights import read_weights
from vision_jax.train.evaluate import Evaluator
from vision_jax.train.fixed import Fixed

PREDICT_BATCH = 32


Log = Callable[[str], None]


def _log(text: str) -> None:
  print(text, file=sys.stderr, flush=True)


def load(
  workdir: epath.PathLike,
  *,
  trusted: bool = False,
  log: Log = _log,
  **options: Any,
) -> "Trained":
  """Returns what a workdir with a config file has trained.

  Args:
    workdir: the run's folder.
    trusted: whether the workdir's copy of its config runs, whoever wrote it.
    log: prints a line for the user.
    **options: of `Trained`: checkpoint, weights, execution, strict; and
      `fixed`, net -> where the weights of a fixed net are by now.

  Raises:
    UserError: if there is no run, or its copy of the config file is neither
      ours nor this user's.
  """
  folder = paths.folder("workdir", workdir)
  recipe, batch = load_workdir(folder, log, trusted=trusted)
  return of_recipe(recipe, workdir, batch, log=log, **options)


def of_recipe(
  recipe: Recipe, workdir: epath.PathLike, batch: Shapes, **options: Any
) -> "Trained":
  """Returns what a workdir has trained, whose recipe is known.

  Args:
    recipe: the workdir's.
    workdir: the run's folder.
    batch: shapes of a training batch.
    **options: of `Trained`, and `fixed` as for `load`.
  """
  options |= {"seed": recipe.config.seed, "files": recipe.sources}
  experiment = recipe.build().found_at(options.pop("fixed", {}))
  return Trained(experiment, workdir, batch, **options)


class Trained:
  """An experiment with the weights of one of a workdir's checkpoints.

  Attributes:
    experiment: what was trained.
    workdir: the run's folder.
    execution: where it runs.
    batch: shapes of a training batch.
  """

  def __init__(
    self,
    experiment: Experiment,
    workdir: epath.PathLike,
    batch: Shapes | None = None,
    *,
    seed: int = 0,
    execution: Execution | None = None,
    checkpoint: str | int = "latest",
    weights: str | None = None,
    files: Mapping[str, str] = MappingProxyType({}),
    strict: bool = False,
    log: Log = _log,
  ):
    """Reads nothing but shapes.

    Args:
      experiment: what was trained.
      workdir: the run's folder.
      batch: shapes of a training batch; None reads one.
      seed: seed of the run.
      execution: where to run; all devices where it is None.
      checkpoint: "latest", "best" or a step.
      weights: "raw" or "ema". By default evaluation measures those that each
        `Eval` asks for, and the rest takes `experiment.weights`.
      files: hashes of what the experiment is built by, to be compared with
        those of the run.
      strict: refuse to use the weights with other code or data than the run's.
      log: prints a line for the user.
    """
    self.experiment = experiment
    self.workdir = paths.folder("workdir", workdir)
    self.execution = (execution or Jit()).of(experiment.task)
    self._checkpoint, self._weights, self._log = str(checkpoint), weights, log
    self._files, self._strict, self._compared = files, strict, False
    if batch is None:
      with experiment:
        batch = experiment.train_data.batch(0)
    self.batch = batch
    make = initial.state_maker(experiment, self.batch, seed)
    try:
      state = self.execution.abstract(make)
    except KeyError as error:
      if error.args[0] in self.batch:
        raise
      raise UserError(
        f"{self.workdir / 'config.json'}: its batch has {sorted(self.batch)}, "
        f"and no {error}, which the task takes. Give the workdir that the "
        "training wrote."
      ) from error
    self._target = state.weights()

  def read(self, *kinds: str) -> tuple[int, dict[str, Variables]]:
    """Reads "raw" or "ema" weights, or both, of one step.

    Returns:
      The step, and the parameters and statistics of all nets, of each kind.

    Raises:
      UserError: if a fixed net is not the one that the run had.
    """
    checkpoint = self._checkpoint
    if checkpoint not in ("latest", "best") and not checkpoint.isdigit():
      raise UserError(
        f"--checkpoint: got {checkpoint!r}; expected latest, best or a step."
      )
    step, found = read_weights(
      self.workdir,
      self._target,
      which=int(checkpoint) if checkpoint.isdigit() else checkpoint,
      kinds=kinds,
      best=self.experiment.best,
    )
    fixed = Fixed.load(self.experiment, self.execution, self.batch)
    fixed.check(last_run(self.workdir).get("fixed", {}))
    return step, {kind: joined(x, fixed.nets) for kind, x in found.items()}

  def weights(self) -> Variables:
    """Reads the weights to predict with, and says which they are.

    The first time, what is not as the run had it, too: here its data need not
    be, so of those nothing is said.
    """
    return self.chosen()[1]

  def chosen(self) -> tuple[int, Variables]:
    """Returns the step of the weights to predict with, and themselves."""
    if not self._compared:
      self._compare({})
    kind = self.kind
    step, found = self.read(kind)
    name = "averaged (ema)" if kind == "ema" else "raw"
    self._log(f"Weights: {name}, of step {step}.")
    return step, found[kind]

  @property
  def kind(self) -> str:
    """Which weights predict, "raw" or "ema"."""
    return self._weights or self.experiment.weights

  def evaluate(self) -> dict[str, float]:
    """Returns the metrics of the data sets; `checkpoint` is the step.

    Adds them to `evaluations.jsonl` in the workdir: a line, or on an object
    store a file of the folder `evaluations`.
    """
    evals, only = self.experiment.evals, self._weights
    asked = {which for e in evals.values() for which in e.weights}
    step, weights = self.read(*([only] if only else sorted(asked)))
    evaluator = Evaluator(self.experiment, self.execution)
    with self.experiment:
      # Of what is evaluated alone: the training data need not be here.
      self._compare({name: e.data for name, e in evals.items()})
      metrics = {"checkpoint": step} | evaluator(weights.get, only)
    if jax.process_index() == 0:
      add_line(self.workdir / "evaluations.jsonl", to_json(metrics))
    return metrics

  def predict(self, images: np.ndarray) -> dict[str, np.ndarray]:
    """Returns the outputs of images (n, h, w, c) uint8, by name (n, ...).

    They go through the transforms that a folder of images goes through.
    """
    return predict.predict_arrays(
      self.experiment,
      self.weights(),
      self.execution,
      images,
      batch_size=self._rounded(min(PREDICT_BATCH, len(images))),
    )

  def predict_folder(
    self,
    images: str,
    output: epath.PathLike,
    *,
    on_bad_image: str = "skip",
    formats: Formats | None = None,
    threshold: float | None = None,
    every: int = 1,
    tiling: Tiling | None = None,
  ) -> None:
    """Predicts on images, into a folder.

    Args:
      images: a file, a folder, a pattern or a list, as `ImageList` takes them,
        or a video.
      output: the folder.
      on_bad_image: "error" or "skip".
      formats: names of files in vision_jax/writers, or what makes a writer of
        an `About`; None takes the experiment's.
      threshold: least score of a box that counts, or of two classes where the
        second is predicted; None takes the one that was best on val.
      every: of a video, of so many frames the first is taken.
      tiling: cuts images into windows; None takes them whole.
    """
    step, weights = self.chosen()
    run = (self.experiment, self.workdir, self.kind, step)
    predict.predict_folder(
      self.experiment,
      weights,
      self.execution,
      images,
      epath.Path(output),
      batch_size=self._rounded(PREDICT_BATCH),
      on_bad_image=on_bad_image,
      formats=formats,
      threshold=choose(threshold, *run),
      every=every,
      tiling=tiling,
      log=self._log,
    )

  def sample_folder(
    self, output: epath.PathLike, **options: bool | float | str | None
  ) -> None:
    """Draws images into a folder; `options` as of `sample.sample_folder`.

    They have the shape of the images that the task sees.
    """
    sample.sample_folder(
      self.experiment,
      self.weights(),
      self.execution,
      sample.shape_of(self.experiment, self.batch),
      output,
      log=self._log,
      **options,
    )

  def at(self, step: int) -> "Trained":
    """Returns the same with the weights of another step."""
    other = copy.copy(self)
    other._checkpoint = str(step)
    return other

  def _compare(self, data: Mapping[str, Batches]) -> None:
    """Says what is not as the run had it; under `strict` refuses."""
    if jax.process_index() == 0:
      now = parts.describe(data, self._files)
      log_differences(self.workdir, now, self._log, strict=self._strict)
    self._compared = True

  def _rounded(self, size: int) -> int:
    parts = self.execution.divisor
    return -(-size // parts) * parts
