"""Classification: sources of images with labels in, what is trained on out."""

from collections.abc import Mapping, Sequence

from vision_jax.core.types import Metric
from vision_jax.data.source import Source, gathers
from vision_jax.data.transforms.base import Transform
from vision_jax.experiment import Eval, Predict
from vision_jax.ops.inputs import normalize
from vision_jax.pipelines.colours import Colours
from vision_jax.pipelines.data import Data, Loading
from vision_jax.pipelines.label_images import label_images


def classification(
  *,
  train: Source,
  evals: Mapping[str, Source],
  class_names: Sequence[str],
  crop: Transform,
  loading: Loading,
  metrics: Mapping[str, Metric],
  colours: Colours | None = None,
  num_classes: int = 0,
  train_crop: Transform | None = None,
  weights: Sequence[str] = ("raw",),
) -> Data:
  """Returns what an experiment takes, of sources of images with labels.

  A source that is gathered from memory (`GatherSource`) has images of the net's
  size and meets no crop; examples of others are decoded anew each time.

  Args:
    train: a `ReadSource` or `GatherSource`.
    evals: name -> such a source.
    class_names: the labels' names; () shows their numbers.
    crop: makes a decoded image the net's size, in evaluation and prediction,
      such as `resize_centre_crop`.
    loading: how examples become batches.
    metrics: what each evaluation measures, by name.
    colours: mean and standard deviation of a channel; None for those of
      `loading`.
    num_classes: the model's number of classes, whatever the data say: a label
      that is none of them is an error; 0 is as many as `class_names`, or as the
      source has.
    train_crop: the same of an image to train on, encoded, such as
      `random_resized_crop`; None decodes and takes `crop`.
    weights: which weights to evaluate: "raw", "ema".
  """
  whole = [loading.decode(), crop]
  part = [train_crop] if train_crop else whole
  anew = lambda source, steps: [] if gathers(source) else steps
  known = num_classes or len(class_names) or None
  return Data(
    train_data=loading.train(train, anew(train, part), num_classes=known),
    evals={
      name: Eval(
        loading.evaluation(source, anew(source, whole), num_classes=known),
        metrics,
        weights=weights,
        images=label_images(class_names, bands=loading.shown_decoded),
      )
      for name, source in evals.items()
    },
    inputs=normalize(*colours or loading.colours),
    predict=Predict(whole, class_names, show_bands=loading.shown),
  )
