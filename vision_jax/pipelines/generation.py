"""Generation: sources of images in, what is trained on and measured out."""

import dataclasses
from collections.abc import Mapping

import numpy as np

from vision_jax.core.types import Metric, Output
from vision_jax.data.source import Source
from vision_jax.data.subsets import subset
from vision_jax.errors import UserError
from vision_jax.experiment import Eval
from vision_jax.metrics.generation import SampleQuality
from vision_jax.metrics.generation_extractor import Extractor
from vision_jax.metrics.generation_scores import Recognised
from vision_jax.ops.inputs import normalize
from vision_jax.pipelines.colours import Colours
from vision_jax.pipelines.data import Data, Loading
from vision_jax.pipelines.generation_images import signed_samples, unit_samples


def generation(
  *,
  train: Source,
  evals: Mapping[str, Eval],
  colours: Colours,
  loading: Loading,
  num_classes: int = 0,
) -> Data:
  """Returns what an experiment takes, of sources that are gathered.

  Args:
    train: a `GatherSource` of images.
    evals: name -> what is measured, whose `data` is such a source.
    colours: mean and standard deviation of a channel: `UNIT` leaves pixels in
      [0, 1], `SIGNED` brings them into [-1, 1].
    loading: how examples become batches.
    num_classes: a conditional model's number of classes: a label that is none
      of them is an error; 0 is as many as the source has.
  """
  known = num_classes or None
  batches = lambda source: loading.evaluation(source, num_classes=known)
  return Data(
    train_data=loading.train(train, num_classes=known),
    evals={
      name: dataclasses.replace(each, data=batches(each.data))
      for name, each in evals.items()
    },
    inputs=normalize(*colours),
  )


def first(source: Source, number: int) -> Source:
  """Returns the first examples of a source; 0 is all."""
  return subset(source, np.arange(number)) if number else source


def sample_evals(
  train: Source,
  test: Source,
  output: Output,
  extractor: Extractor,
  *,
  real: str,
  examples: int,
  recognised: bool,
  reference: str = "",
) -> dict[str, Eval]:
  """Returns the evaluation of samples of the averaged weights.

  One sample for each of the first test images, against these:
  `test/ema/frechet_<extractor>`, and `recognised`, the share that the extractor
  takes for its class. Or against all training images, as published metrics are:
  `train_set/ema/...`.

  Args:
    train: images that are trained on.
    test: images held out.
    output: (params, stats, batch, key) -> dict with `image` in [-1, 1].
    extractor: what samples are looked at through.
    real: "test" or "train", what samples meet.
    examples: how many examples of test are taken; 0 is all.
    recognised: whether to tell it; of class-conditional generators.
    reference: a file of the real images' statistics, see `SampleQuality`.

  Raises:
    UserError: for another `real`.
  """
  if real not in ("train", "test"):
    raise UserError(f"real: got {real!r}; expected 'test' or 'train'.")
  name = "test" if real == "test" else "train_set"
  source = first(test, examples) if real == "test" else train
  metrics = _of_samples(extractor, recognised, reference)
  return {
    name: Eval(
      source, metrics, output=output, weights=("ema",), images=signed_samples
    )
  }


def unit_sample_eval(
  test: Source,
  output: Output,
  extractor: Extractor,
  *,
  examples: int,
  recognised: bool,
) -> Eval:
  """Returns the evaluation of samples in [0, 1] of the weights as they are.

  Against the first test images, one for each, as `sample_evals` says; beside
  the evaluation of losses and reconstructions, and at the end of a training
  alone.

  Args:
    test: images held out.
    output: (params, stats, batch, key) -> dict with `image` in [0, 1].
    extractor: what samples are looked at through, of images in [-1, 1].
    examples: how many examples of test are taken; 0 is all.
    recognised: whether to tell it; of class-conditional generators.
  """
  return Eval(
    first(test, examples),
    _of_samples(extractor.of_unit(), recognised),
    output=output,
    images=unit_samples,
    costly=True,
    losses=False,
  )


def _of_samples(
  extractor: Extractor, recognised: bool, reference: str = ""
) -> dict[str, Metric]:
  quality = SampleQuality(extractor, reference=reference)
  metrics: dict[str, Metric] = {"quality": quality}
  if recognised:
    metrics["recognised"] = Recognised(extractor)
  return metrics
