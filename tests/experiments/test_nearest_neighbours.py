"""A net that is evaluated by its nearest neighbours in the training set."""

import flax.linen as nn
import jax
import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from tests.experiments.everywhere import (
  BATCH,
  assert_equal_everywhere,
  assert_resumes,
  digits,
  train,
)
from vision_jax.data.loader import Loader
from vision_jax.data.sources.digits import Digits
from vision_jax.data.subsets import subset
from vision_jax.experiment import Eval
from vision_jax.metrics.neighbours import NearestNeighbours
from vision_jax.tasks.classification import Classification

EXAMPLES = {"train": 130, "test": 50}  # neither divides by the batch


class Net(nn.Module):
  """A layer whose outputs are the features, and classes of them."""

  def setup(self):
    self.hidden, self.head = nn.Dense(32), nn.Dense(10)

  def features(self, image):
    return jax.nn.relu(self.hidden(image.reshape(len(image), -1)))

  def __call__(self, image, *, train, mask=None):
    return self.head(self.features(image))


def features(params, stats, batch, key):
  del stats, key
  found = Net().apply(
    {"params": params["model"]}, batch["image"], method="features"
  )
  return {"features": found}


def loader(split):
  source = subset(Digits(split), np.arange(EXAMPLES[split]))
  return Loader(source, (), BATCH, seed=1)


def experiment():
  measured = Eval(
    loader("test"),
    {"knn": NearestNeighbours(1)},
    output=features,
    losses=False,
    reference=loader("train"),
  )
  data = loader("train")
  return digits(
    Classification(Net()), train_data=data, evals={"test": measured}
  )


def test_the_neighbours_are_those_of_scikit_learn():
  outcome = train(experiment, eval_every=1)
  params = jax.device_get(outcome.state.params)
  made, rows = experiment(), {}
  with made:
    for split in EXAMPLES:
      batches = [*loader(split).epoch()]
      real = [{k: x[b["mask"] > 0] for k, x in b.items()} for b in batches]
      found = [features(params, {}, made.inputs(b), None) for b in real]
      rows[split] = (
        np.concatenate([x["features"] for x in found]),
        np.concatenate([b["label"] for b in real]),
      )
  oracle = KNeighborsClassifier(1, metric="cosine").fit(*rows["train"])
  expected = oracle.score(*rows["test"])
  assert outcome.metrics["test/knn"] == pytest.approx(expected)
  assert expected > 0.7


@pytest.mark.slow
@pytest.mark.parametrize("execution", ["jit", "fsdp", "pmap"])
def test_it_is_the_same_everywhere(execution):
  assert_equal_everywhere(experiment, [execution], eval_every=1, rounding=1e-4)


@pytest.mark.slow
def test_it_resumes_bit_for_bit(tmp_path):
  assert_resumes(experiment, tmp_path, eval_every=1)
