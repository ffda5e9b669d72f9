"""Captions: sources of images with texts in, what is trained on out."""

from collections.abc import Mapping, Sequence

import numpy as np

from vision_jax.data.source import Source
from vision_jax.data.text.words import Vocabulary
from vision_jax.data.transforms.base import keep
from vision_jax.data.transforms.image import resize
from vision_jax.data.transforms.text import number_words
from vision_jax.errors import UserError
from vision_jax.experiment import Eval, Predict
from vision_jax.metrics.captions import CaptionWords
from vision_jax.metrics.classification import Accuracy
from vision_jax.metrics.cross_retrieval import CrossRetrieval
from vision_jax.models.text.zero_shot import described
from vision_jax.ops.inputs import normalize
from vision_jax.pipelines.data import Data, Loading
from vision_jax.tasks.captions import Captioning


def captioning(
  *,
  task: Captioning,
  train: Source,
  evals: Mapping[str, Source],
  classified: Mapping[str, Source],
  prompts: Sequence[str],
  word_kinds: Mapping[str, Sequence[str]],
  image_size: int,
  loading: Loading,
) -> Data:
  """Returns what an experiment takes, of sources with `image` and `text`.

  Evaluated are captions as they are written, and retrieval both ways; where
  images have a `label`, its accuracy by a description of each class. Images are
  resized, and not mirrored: what is left would be right.

  Args:
    task: what is learned.
    train: what is trained on.
    evals: name -> what is evaluated.
    classified: name -> what is classified, a source with `class_names`.
    prompts: descriptions of a class, with {} where its name goes.
    word_kinds: name -> words that are counted by themselves.
    image_size: side of the images that the net sees.
    loading: how examples become batches.
  """
  seen = [loading.decode(), resize((image_size, image_size))]
  number = number_words(tuple(task.words), task.model.length)
  steps = [*seen, number, keep("image", "text", "tokens")]
  measured = {
    "captions": CaptionWords(word_kinds),
    "retrieval": CrossRetrieval((1, 5)),
  }
  found = {
    name: Eval(
      loading.evaluation(source, steps),
      measured,
      output=task.pairs,
      losses=False,
    )
    for name, source in evals.items()
  }
  for name, source in classified.items():
    tokens = numbered(task, source.class_names, prompts)
    found[name] = Eval(
      loading.evaluation(source, [*seen, keep("image", "label")]),
      {"accuracy": Accuracy()},
      output=task.classifier(tokens),
      losses=False,
    )
  return Data(
    train_data=loading.train(train, steps),
    evals=found,
    inputs=normalize(*loading.colours),
    predict=Predict(seen, show_bands=loading.shown),
  )


def weights_of(values: Sequence[float]) -> dict[str, float]:
  """Returns the weights of the losses, as fields of `Captioning`.

  Raises:
    UserError: for other than two.
  """
  if len(values) != 2:
    raise UserError(
      f"--config.loss_weights: got {tuple(values)}; expected two numbers, the "
      "weight of the contrastive and of the captioning loss."
    )
  names = ("contrastive_weight", "captioning_weight")
  return dict(zip(names, values, strict=True))


def numbered(
  task: Captioning, class_names: Sequence[str], prompts: Sequence[str]
) -> np.ndarray:
  """Returns the tokens (k, t, n) of t descriptions of each class.

  Raises:
    UserError: for a prompt without {}, or with a word that the task does not
      know.
  """
  vocabulary = Vocabulary(tuple(task.words))
  tokenize = lambda texts, length: np.stack(
    [vocabulary.numbers(x, length, f"--config.prompts: {x!r}") for x in texts]
  )
  return described(tokenize, class_names, prompts, task.model.length)
