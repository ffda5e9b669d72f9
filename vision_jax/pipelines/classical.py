"""Classifiers of scikit-learn beside a net, by the same images."""

import dataclasses
import functools

from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC

from vision_jax.core.types import Array, Batch, Nets
from vision_jax.data.source import gathers
from vision_jax.metrics.fitted import Fitted
from vision_jax.pipelines.data import Data, Loading

_CLASSIFIERS = {
  "svc": SVC,
  "forest": functools.partial(RandomForestClassifier, random_state=0),
  "logistic": functools.partial(LogisticRegression, max_iter=1000),
  "neighbours": KNeighborsClassifier,
}


def beside_classical(data: Data, loading: Loading) -> Data:
  """Returns the data with one evaluation more, `sklearn`, at training's end.

  Classifiers with scikit-learn's defaults are fitted to the pixels of the
  images that are trained on, as the net is given them, and measured on those of
  `test`: `svc`, `forest`, `logistic` and `neighbours`.

  Args:
    data: a classification's, whose sources hold images of one size.
    loading: how examples become batches.
  """
  source = data.train_data.source
  whole = [] if gathers(source) else data.predict.transforms
  beside = dataclasses.replace(
    data.evals["test"],
    metrics={"fitted": Fitted(_CLASSIFIERS)},
    output=_pixels,
    costly=True,
    losses=False,
    images=None,
    reference=loading.evaluation(source, whole),
  )
  return dataclasses.replace(data, evals={**data.evals, "sklearn": beside})


def _pixels(
  params: Nets, stats: Nets, batch: Batch, key: Array
) -> dict[str, Array]:
  """Returns an image as it is given to the net, in one row."""
  del params, stats, key
  image = batch["image"]
  return {"features": image.reshape(len(image), -1)}
