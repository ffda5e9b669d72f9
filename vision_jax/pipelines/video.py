"""Video: sources of clips with labels in, what is trained on out."""

from collections.abc import Mapping, Sequence

from vision_jax.core.types import Metric
from vision_jax.data.source import Source
from vision_jax.data.stream import Stream
from vision_jax.data.transforms.base import keep
from vision_jax.data.transforms.clips import window
from vision_jax.data.transforms.image import resize
from vision_jax.experiment import Eval
from vision_jax.ops.inputs import normalize
from vision_jax.pipelines.data import Data, Loading


def clips(
  *,
  train: Source,
  evals: Mapping[str, Source],
  class_names: Sequence[str],
  image_size: int,
  frames: int,
  loading: Loading,
  metrics: Mapping[str, Metric],
) -> Data:
  """Returns what an experiment takes, of sources of clips with labels.

  A net sees so many frames of a clip: anywhere in training, else its middle.
  Nothing is mirrored, as to the left is not to the right.

  Args:
    train: clips (t, h, w, c) of `frames` or more, h and w the net's.
    evals: name -> what is evaluated.
    class_names: the labels' names.
    image_size: height and width that frames of a stream are resized to.
    frames: of a clip, that the net sees together.
    loading: how examples become batches.
    metrics: what each evaluation measures.
  """
  steps = lambda random: [
    window(frames, random=random),
    keep("image", "label"),
  ]
  known = len(class_names)
  return Data(
    train_data=loading.train(train, steps(True), num_classes=known),
    evals={
      name: Eval(
        loading.evaluation(source, steps(False), num_classes=known), metrics
      )
      for name, source in evals.items()
    },
    inputs=normalize(*loading.colours),
    stream=Stream(
      [loading.decode(), resize((image_size, image_size)), keep("image")],
      frames,
      class_names=class_names,
    ),
  )
