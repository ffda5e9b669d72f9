"""Images drawn from captions: scenes in, what is drawn and read back out."""

from vision_jax.core.types import Output
from vision_jax.data.source import Source
from vision_jax.data.transforms.base import keep
from vision_jax.data.transforms.text import read_text
from vision_jax.experiment import Eval
from vision_jax.metrics.generation_extractor import Extractor
from vision_jax.metrics.scenes_read import ScenesRead
from vision_jax.ops.inputs import normalize
from vision_jax.pipelines.colours import SIGNED
from vision_jax.pipelines.data import Data, Loading
from vision_jax.pipelines.generation_images import signed_samples
from vision_jax.tasks.condition_tokens import TokenCondition


def prompted_scenes(
  text: TokenCondition,
  output: Output,
  *,
  train: Source,
  test: Source,
  reader: Extractor,
  loading: Loading,
) -> Data:
  """Returns what an experiment takes of sources with `image` and `text`.

  A scene is drawn for each caption of test, by the averaged weights, and read:
  `test/ema/captions` and others, see `ScenesRead`.

  Args:
    text: the condition of what draws.
    output: (params, stats, batch, key) -> dict with `image` in [-1, 1].
    train: what is trained on.
    test: scenes held out, with `kinds`, what they show.
    reader: what scenes are read by.
    loading: how examples become batches.
  """
  steps = [read_text(text.read), keep("image", "tokens", "kinds")]
  drawn = Eval(
    loading.evaluation(test, steps),
    {"read": ScenesRead(reader)},
    output=output,
    weights=("ema",),
    images=signed_samples,
  )
  return Data(
    train_data=loading.train(train, steps),
    evals={"test": drawn},
    inputs=normalize(*SIGNED),
  )
