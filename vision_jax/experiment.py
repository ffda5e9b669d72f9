"""What a config builds: an `Experiment`."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from vision_jax.core.checks import check_class_names
from vision_jax.core.state import Following, TrainState, create_state
from vision_jax.core.step import TrainStep, make_train_step
from vision_jax.core.types import (
  Augment,
  Batches,
  HostBatch,
  Inputs,
  Metric,
  Output,
  Task,
  Variables,
  as_given,
)
from vision_jax.data.stream import Stream
from vision_jax.errors import UserError
from vision_jax.weights import (
  InitFrom,
  Weights,
  check_fixed,
  check_places,
  moved,
  starts,
)
from vision_jax.writers.base import MakeWriter


@dataclasses.dataclass(frozen=True)
class Eval:
  """Metrics over one data set.

  Attributes:
    data: batches, a `Loader`.
    metrics: name -> metric; what they give is logged as `eval/name`.
    output: (params, stats, batch, key) -> what they measure; task.predict
      where it is None.
    weights: "raw", "ema" or both; averaged ones are logged as `eval/ema/...`.
    images: (batch, outputs) of the first batch, on the host and as the loader
      gives it -> name -> image (h, w, c) for TensorBoard, uint8 or float in
      [0, 1]; None shows none.
    costly: whether training measures it at its end alone; `--mode=eval` always
      does.
    losses: whether the task's losses are measured too; a task may have none on
      batches that its augmentation has not seen.
    reference: batches of the data set that metrics with `refers` compare with:
      the training set, of a k-NN classifier.
  """

  data: Batches
  metrics: Mapping[str, Metric]
  output: Output | None = None
  weights: Sequence[str] = ("raw",)
  images: Callable[[HostBatch, Any], Mapping[str, np.ndarray]] | None = None
  costly: bool = False
  losses: bool = True
  reference: Batches | None = None

  def __post_init__(self):
    for name, metric in self.metrics.items():
      if getattr(metric, "refers", False) and self.reference is None:
        raise UserError(
          f"metric {name!r}: it compares with a reference data set; got none. "
          "Give Eval(reference=...) a loader without shuffling."
        )


@dataclasses.dataclass(frozen=True)
class Predict:
  """How images from a user are predicted.

  Attributes:
    transforms: make of an encoded image what the loaders give.
    class_names: the labels' names; () shows their numbers.
    formats: what is written where no format is named: files of
      vision_jax/writers, or what makes a `Writer` of an `About`.
    mask_values: the value of each class in masks; () for its number.
    annotations: COCO json whose ids predictions take, "" for none.
    show_bands: channels of an image's file that pictures show, one or three; ()
      for its first.
    own_size: whether images keep their sizes: a batch has those of one.
  """

  transforms: Sequence[Callable[..., Any]]
  class_names: Sequence[str] = ()
  formats: Sequence[str | MakeWriter] = ()
  mask_values: Sequence[int] = ()
  annotations: str = ""
  show_bands: Sequence[int] = ()
  own_size: bool = False

  def __post_init__(self):
    check_class_names("class_names", self.class_names)


@dataclasses.dataclass(frozen=True)
class Experiment:
  """Everything a run is made of.

  Attributes:
    task: what is learned.
    optimizers: one for each net.
    train_data: batches, a `Loader`.
    evals: name -> Eval.
    inputs: batch -> batch, what every compiled step does first, in training,
      evaluation and prediction: normalisation, of pixels that travel in their
      source's type. Augmentation and task see batches after it.
    augment: (batch, key) -> batch inside the compiled step.
    ema: net -> decay of its averaged weights, which evaluations may measure.
    following: name -> the average of a net that losses and outputs see by that
      name: a mean teacher.
    fixed: net of the task -> the weights it has and keeps. It is in no
      checkpoint, and a run goes on with the same ones only.
    start: part of a net ("model", "model/backbone"; "" for all nets) -> what
      weights a new run begins with there, every one of them; the rest is
      initialised.
    predict: how to predict on images; None where it makes no sense.
    stream: the same of frames that come one by one.
    best: (metric, "max" or "min") by which a best checkpoint is kept; a metric
      on data held out of training, never on test.
  """

  task: Task
  optimizers: Mapping[str, optax.GradientTransformation]
  train_data: Batches
  evals: Mapping[str, Eval]
  inputs: Inputs = as_given
  augment: Augment | None = None
  ema: Mapping[str, float] = dataclasses.field(default_factory=dict)
  following: Mapping[str, Following] = dataclasses.field(default_factory=dict)
  fixed: Mapping[str, Weights] = dataclasses.field(default_factory=dict)
  start: Mapping[str, Weights] = dataclasses.field(default_factory=dict)
  predict: Predict | None = None
  stream: Stream | None = None
  best: tuple[str, str] | None = None

  def __post_init__(self):
    check_places(fixed=self.fixed, start=self.start)
    if self.best and self.best[0].startswith("test/"):
      raise UserError(
        f"best: got {self.best[0]!r}; expected a metric on data held out of "
        "train, such as 'val/accuracy': a checkpoint chosen on test flatters."
      )
    name = self.best[0].split("/")[0] if self.best else None
    if name in self.evals and self.evals[name].costly:
      raise UserError(
        f"best: got {self.best[0]!r} of a costly eval, which training measures "
        "at its end alone; expected a metric of another."
      )

  def __enter__(self) -> "Experiment":
    return self

  def __exit__(self, *error: object) -> None:
    self.close()

  def close(self) -> None:
    """Ends the threads of its data; a next batch starts new ones."""
    for data in (self.train_data, *(e.data for e in self.evals.values())):
      data.close()
    for data in self.evals.values():
      if data.reference is not None:
        data.reference.close()

  @property
  def weights(self) -> str:
    """The weights that stand for a run, "raw" or "ema".

    Those that `best` is chosen by. Where there is no best, the averaged ones
    if an evaluation measures them, else the raw ones.
    """
    if self.best:
      return "ema" if "/ema/" in self.best[0] else "raw"
    measured = {which for data in self.evals.values() for which in data.weights}
    return "ema" if "ema" in measured else "raw"

  def found_at(self, fixed: Mapping[str, str]) -> "Experiment":
    """Returns the experiment with fixed nets read from other paths.

    Raises:
      UserError: if it has no such fixed net.
    """
    return dataclasses.replace(self, fixed=moved(self.fixed, fixed))

  def starts(self, init_from: InitFrom | None) -> dict[str, Weights]:
    """Returns part of a net -> what a new run begins with there.

    What is given goes before what the experiment says of a part.

    Raises:
      UserError: for a part of a net that is fixed, or follows another.
    """
    nets = {"fixed": self.fixed, "following": self.following}
    return starts(self.start, init_from, **nets)

  def initial_state(
    self, key: jax.Array, batch: Mapping[str, Any]
  ) -> TrainState:
    """Initialises the state; `batch` gives the loader's shapes.

    Pure: run it compiled, or under `jax.eval_shape`.
    """
    return create_state(
      self.task,
      self.optimizers,
      key,
      self._seen(key, batch),
      ema={**self.ema, **self.following},
      fixed=tuple(self.fixed),
    )

  def initial_fixed(
    self, key: jax.Array, batch: Mapping[str, Any]
  ) -> Variables:
    """Initialises the fixed nets alone, for their shapes; pure, likewise."""
    nets = self.task.init(key, self._seen(key, batch))
    check_fixed(self.task, nets[0], self.fixed)
    params, stats = ({n: x[n] for n in self.fixed if n in x} for x in nets)
    return params, stats

  def _seen(self, key: jax.Array, batch: Mapping[str, Any]) -> dict[str, Any]:
    """Returns zeros as the task sees them, in the place of a loader's batch."""
    zeros = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), dict(batch))
    zeros = self.inputs(zeros)
    return zeros if self.augment is None else self.augment(zeros, key)

  def train_step(
    self, *, accumulate: int = 1, norm_group: int = 0
  ) -> TrainStep:
    """Returns the training step, not compiled; as `make_train_step` says."""
    return make_train_step(
      self.task,
      self.optimizers,
      inputs=self.inputs,
      augment=self.augment,
      ema={**self.ema, **self.following},
      accumulate=accumulate,
      norm_group=norm_group,
    )


def check_split(task: Task, shards: int, accumulate: int = 1) -> None:
  """Checks that an objective may see shards of a batch, and microbatches.

  Raises:
    UserError: if there are several, and the task's `whole_batch` refuses them.
  """
  whole = getattr(task, "whole_batch", False)
  parts = accumulate if whole == "gathered" else shards * accumulate
  if whole and parts > 1:
    where = "" if whole == "gathered" else "--execution=jit or fsdp, and "
    raise UserError(
      f"{type(task).__name__}: its loss compares the examples of a "
      f"batch with each other, and would see one of {parts} parts of it at a "
      f"time; expected all of it. Use {where}--config.accumulate=1."
    )


def base_config(
  *, steps: int, batch_size: int, **values: object
) -> dict[str, object]:
  """Returns a config with what every run has, and a config's own values.

  seed: of initial weights, data order and augmentation. accumulate:
  microbatches in a step. norm_group: examples whose BatchNorm statistics are
  taken together, a divisor of those on a device; 0 for the batch. log_every,
  eval_every, save_every: steps between; 0 is only at the end. keep_best: best
  checkpoints that stay. keep_every: checkpoints whose step it divides stay.
  data_dir: folder of the data, "" for VISION_JAX_DATA. threads: of the input
  pipeline, 0 for one a core. bits: 8 or 16 a channel, to which images in files
  are decoded, or 32 for floats as they are. on_bad_image: "error" or "skip".
  convolutional: whether XLA's option for convolutions is to be set on a CPU.
  """
  defaults = {
    "seed": 0,
    "accumulate": 1,
    "norm_group": 0,
    "log_every": 50,
    "eval_every": 0,
    "save_every": 0,
    "keep_best": 1,
    "keep_every": 0,
    "data_dir": "",
    "threads": 0,
    "bits": 8,
    "on_bad_image": "error",
    "convolutional": False,
  }
  own = {"steps": steps, "batch_size": batch_size} | values
  return defaults | own
