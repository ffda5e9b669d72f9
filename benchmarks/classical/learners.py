"""scikit-learn's classifiers on descriptors of images."""

import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

_AT_ONCE = 1000  # images whose descriptors are computed together


class Images(NamedTuple):
  """Images (n, h, w, c) uint8 and labels (n,)."""

  image: np.ndarray
  label: np.ndarray


def _pixels(x):
  return x.reshape(len(x), -1)


def _hog(x):
  from vision_jax.ops.descriptors import hog

  return hog(x, cell=(7, 7), block=(2, 2))


def _gabor(x):
  from vision_jax.ops.descriptors import gabor

  return gabor(x)


def _svm(seed: int) -> Any:
  from sklearn.svm import SVC  # half a second to import

  del seed  # it draws nothing
  return SVC(C=10.0, gamma="scale", cache_size=1000)


def _forest(seed: int) -> Any:
  from sklearn.ensemble import RandomForestClassifier

  return RandomForestClassifier(100, random_state=seed)


FEATURES: Mapping[str, Callable] = {
  "pixels": _pixels,
  "hog": _hog,
  "gabor": _gabor,
}
LEARNERS: Mapping[str, Callable[[int], Any]] = {"svm": _svm, "forest": _forest}
DRAWS = {"forest"}  # those that a seed changes
NAMES = tuple(f"{f}+{name}" for f in FEATURES for name in LEARNERS)


def measure(
  name: str, train: Images, test: Images, seed: int
) -> dict[str, float]:
  """Returns accuracy, CPU seconds and parameters of one of NAMES.

  The seconds are of the process: descriptors of all images, fitting, and
  predicting the test images.
  """
  features, learner = name.split("+")
  start = time.process_time()
  x, y = (described(features, part.image) for part in (train, test))
  model = LEARNERS[learner](seed).fit(x, train.label)
  right = model.predict(y) == test.label
  seconds = time.process_time() - start
  return {
    "accuracy": float(np.mean(right)),
    "cpu_seconds": round(seconds, 1),
    "parameters": parameters(model),
    "features": x.shape[1],
  }


def described(features: str, image: np.ndarray) -> np.ndarray:
  """Returns descriptors (n, d) float32 of images (n, h, w, c) uint8."""
  import jax

  run = jax.jit(FEATURES[features])
  parts = [
    run(np.float32(image[first : first + _AT_ONCE]) / 255)
    for first in range(0, len(image), _AT_ONCE)
  ]
  return np.concatenate(jax.device_get(parts))


def parameters(model: Any) -> int:
  """Returns how many numbers a fitted model predicts by.

  A machine's support vectors, their weights and its intercepts; a feature and
  a threshold of each split of a forest, and the classes' shares of each leaf.
  """
  if hasattr(model, "support_vectors_"):
    kept = (model.support_vectors_, model.dual_coef_, model.intercept_)
    return sum(x.size for x in kept)
  trees = [each.tree_ for each in model.estimators_]
  leaves = sum(tree.n_leaves for tree in trees)
  splits = sum(tree.node_count for tree in trees) - leaves
  return int(2 * splits + len(model.classes_) * leaves)
