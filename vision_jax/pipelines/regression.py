"""Regression: sources of images with numbers in, what is trained on out."""

from collections.abc import Mapping, Sequence

from vision_jax.core.types import Metric
from vision_jax.data.source import Source
from vision_jax.data.transforms.base import keep
from vision_jax.data.transforms.image import resize
from vision_jax.experiment import Eval, Predict
from vision_jax.ops.inputs import normalize
from vision_jax.pipelines.data import Data, Loading


def regression(
  *,
  train: Source,
  evals: Mapping[str, Source],
  number_names: Sequence[str],
  image_size: int,
  loading: Loading,
  metrics: Mapping[str, Metric],
) -> Data:
  """Returns what an experiment takes, of sources with `image` and `number`.

  Images are resized, and not mirrored: what is to the left may have another
  number than what is to the right.

  Args:
    train: what is trained on.
    evals: name -> what is evaluated.
    number_names: names of the numbers, for predictions.
    image_size: side of the images that the net sees.
    loading: how examples become batches.
    metrics: what each evaluation measures.
  """
  seen = [loading.decode(), resize((image_size, image_size))]
  steps = [*seen, keep("image", "number")]
  return Data(
    train_data=loading.train(train, steps),
    evals={
      name: Eval(loading.evaluation(source, steps), metrics)
      for name, source in evals.items()
    },
    inputs=normalize(*loading.colours),
    predict=Predict(seen, tuple(number_names), show_bands=loading.shown),
  )
