"""Reading: sources of images with texts in, what is trained on out."""

from collections.abc import Mapping

from vision_jax.data.source import Source
from vision_jax.data.transforms.base import keep
from vision_jax.data.transforms.image import resize
from vision_jax.experiment import Eval, Predict
from vision_jax.metrics.reading import TextErrors
from vision_jax.ops.inputs import normalize
from vision_jax.pipelines.colours import GREY
from vision_jax.pipelines.data import Data, Loading


def reading(
  *,
  train: Source,
  evals: Mapping[str, Source],
  image_size: tuple[int, int],
  loading: Loading,
) -> Data:
  """Returns what an experiment takes, of sources with `image` and `text`.

  Images are resized to one height and width, whatever shape they had, as Shi
  et al. (2015) do it; pixels are then from -1 to 1.

  Args:
    train: what is trained on.
    evals: name -> what is evaluated.
    image_size: (h, w) of the images that the net sees.
    loading: how examples become batches.
  """
  seen = [loading.decode(), resize(image_size)]
  steps = [*seen, keep("image", "text")]
  return Data(
    train_data=loading.train(train, steps),
    evals={
      name: Eval(loading.evaluation(source, steps), {"text": TextErrors()})
      for name, source in evals.items()
    },
    inputs=normalize(*GREY),
    predict=Predict(seen, show_bands=loading.shown),
  )
