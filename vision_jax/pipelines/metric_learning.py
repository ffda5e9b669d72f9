"""Metric learning: images with labels in, batches to compare within out."""

from collections.abc import Mapping

import jax

from vision_jax.core.types import Array, Batch, Metric, Nets, Output
from vision_jax.data.order_classes import ClassBatches
from vision_jax.data.source import Source, gathers
from vision_jax.data.transforms.base import Transform
from vision_jax.errors import UserError
from vision_jax.experiment import Eval, Predict
from vision_jax.losses.metric import unit
from vision_jax.ops.inputs import normalize
from vision_jax.pipelines.colours import Colours
from vision_jax.pipelines.data import Data, Loading
from vision_jax.tasks.embedding import Embedding


def metric_learning(
  *,
  train: Source,
  evals: Mapping[str, Source],
  beside: Mapping[str, Output],
  metrics: Mapping[str, Metric],
  crop: Transform,
  loading: Loading,
  colours: Colours,
  batch_classes: int,
) -> Data:
  """Returns what an experiment takes, of sources of images with labels.

  Args:
    train: a `ReadSource` or `GatherSource` with `labels()`.
    evals: name -> such a source, whose images are compared with one another.
    beside: name -> what else gives `features` (b, d) of them, to be compared
      with: measured once, at the end, as `EVAL_NAME/metric`.
    metrics: what each evaluation measures, by name.
    crop: makes a decoded image the net's size; a source that is gathered from
      memory has images of it.
    loading: how examples become batches.
    colours: mean and standard deviation of a channel.
    batch_classes: classes in a batch, as many examples of each.

  Raises:
    UserError: if the batch cannot be shared equally by its classes.
  """
  whole = [loading.decode(), crop]
  steps = lambda source: [] if gathers(source) else whole
  order = ClassBatches(train, batch_classes, _each(loading, batch_classes))
  found = {}
  for name, source in evals.items():
    data = loading.evaluation(source, steps(source))
    found[name] = Eval(data, metrics, losses=False)
    found |= {
      f"{name}_{other}": Eval(
        data, metrics, output=output, losses=False, costly=True
      )
      for other, output in beside.items()
    }
  return Data(
    train_data=loading.train(train, steps(train), order=order),
    evals=found,
    inputs=normalize(*colours),
    predict=Predict(whole, show_bands=loading.shown),
  )


def check_compared(
  evals: Mapping[str, Source], metrics: Mapping[str, Metric]
) -> None:
  """Checks that what an evaluation compares is there; reads all labels.

  Args:
    evals, metrics: as of `metric_learning`; those metrics that have `check`.

  Raises:
    UserError: naming the evaluation that could not be made.
  """
  for name, source in evals.items():
    for metric in metrics.values():
      if hasattr(metric, "check"):
        try:
          metric.check(source.labels())
        except UserError as error:
          raise UserError(f"{name}: {error}") from error


def check_support(loading: Loading, batch_classes: int, support: int) -> None:
  """Checks that an episode has queries besides what is a class's support.

  Raises:
    UserError: if all of a class's examples in a batch are support.
  """
  if (each := _each(loading, batch_classes)) <= support:
    raise UserError(
      f"--config.support: got {support}, and a batch has {each} images of a "
      "class; expected fewer, as the others are what is learned of. Use a "
      "larger --config.batch_size, or fewer --config.batch_classes."
    )


def pixels(params: Nets, stats: Nets, batch: Batch, key: Array) -> dict:
  """Returns an image's pixels as its `features` (b, h * w * c), of length 1."""
  del params, stats, key
  image = batch["image"]
  return {"features": unit(image.reshape(len(image), -1))}


def untrained(task: Embedding, seed: int) -> Output:
  """Returns what gives the features by the same net with initial weights."""

  def output(params, stats, batch, key):
    del params, stats
    return task.predict(*task.init(jax.random.key(seed), batch), batch, key)

  return output


def _each(loading: Loading, batch_classes: int) -> int:
  each, left = divmod(loading.batch_size, batch_classes)
  if left or each < 2:
    raise UserError(
      f"--config.batch_size: got {loading.batch_size} for "
      f"--config.batch_classes={batch_classes}; expected a multiple of it, "
      f"two images of each or more, such as {batch_classes * max(each, 2)}."
    )
  return each
