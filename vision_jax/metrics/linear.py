"""Linear classifiers of features, fitted to their optimum in float64.

`ridge` regresses to one-hot labels in closed form, `logistic` descends the
cross entropy by L-BFGS. Both leave the bias without a penalty and choose the
penalty themselves, out of a grid and of the training examples alone.
"""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

# Penalties for each example, of features whose mean squared length is 1.
GRID = tuple(float(x) for x in np.logspace(-6, 1, 8))
FOLDS = 5
LARGE = 10_000  # examples, from which on one fold is enough to choose by


@dataclasses.dataclass(frozen=True)
class Linear:
  """A classifier: the class with the largest of features @ kernel + bias.

  Attributes:
    kernel: (d, k).
    bias: (k,).
  """

  kernel: np.ndarray
  bias: np.ndarray

  def predict(self, features: np.ndarray) -> np.ndarray:
    """Returns the classes (n,) of features (n, d)."""
    return np.argmax(features @ self.kernel + self.bias, axis=1)


def fit_scaled(
  fit: Callable[..., tuple[Linear, float]],
  classes: int,
  features: np.ndarray,
  labels: np.ndarray,
) -> tuple[Callable[[np.ndarray], np.ndarray], float]:
  """Fits to features that are centred, of mean squared length 1.

  Args:
    fit: `ridge` or `logistic_chosen`, whose grid is `GRID` for each example.
    classes: k.
    features: (n, d).
    labels: (n,) in [0, classes).

  Returns:
    What predicts the classes (m,) of features (m, d) as they are, and the
    penalty chosen, for each example.
  """
  n, mean = len(features), features.mean(0, dtype=np.float64)
  length = np.sqrt(np.mean(np.sum((features - mean) ** 2, axis=1))) or 1.0
  scaled = lambda new: (new - mean) / length
  grid = [penalty * n for penalty in GRID]
  found, chosen = fit(scaled(features), labels, classes, grid)
  return (lambda new: found.predict(scaled(new))), chosen / n


def ridge(
  features: np.ndarray, labels: np.ndarray, classes: int, grid: Sequence[float]
) -> tuple[Linear, float]:
  """Regresses to one-hot labels; the penalty is chosen by leave-one-out.

  That of the least squared error of examples that each regression has not
  seen, in closed form (Golub et al., 1979).

  Args:
    features: (n, d).
    labels: (n,) in [0, classes).
    classes: k.
    grid: penalties of the kernel's squared length, each > 0.

  Returns:
    The classifier, and the penalty chosen; of equal ones the largest.
  """
  x, y = np.asarray(features, np.float64), np.eye(classes)[labels]
  x_mean, y_mean = x.mean(0), y.mean(0)
  x, y = x - x_mean, y - y_mean
  left, singular, right = np.linalg.svd(x, full_matrices=False)
  projected, squares = left.T @ y, singular**2

  def left_out(penalty: float) -> float:
    shrunk = squares / (squares + penalty)
    leverage = 1 / len(x) + left**2 @ shrunk
    wrong = y - left @ (shrunk[:, None] * projected)
    unseen = wrong / np.maximum(1 - leverage, 1e-9)[:, None]
    return float(np.mean(unseen**2))

  chosen = min(sorted(grid, reverse=True), key=left_out)
  scale = singular / (squares + chosen)
  kernel = right.T @ (scale[:, None] * projected)
  return Linear(kernel, y_mean - x_mean @ kernel), chosen


def logistic(
  features: np.ndarray, labels: np.ndarray, classes: int, penalty: float
) -> Linear:
  """Minimises sum(cross entropy) + penalty / 2 * sum(kernel ** 2) by L-BFGS.

  As scikit-learn's LogisticRegression with C = 1 / penalty.

  Args:
    features: (n, d).
    labels: (n,) in [0, classes).
    classes: k.
    penalty: > 0.
  """
  from scipy.optimize import minimize
  from scipy.special import log_softmax

  x, y = np.asarray(features, np.float64), np.eye(classes)[labels]
  basis = None
  if x.shape[1] > len(x):  # the optimum is a sum of examples
    basis, triangle = np.linalg.qr(x.T)
    x = triangle.T
  d = x.shape[1]

  def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
    kernel, bias = flat[: d * classes].reshape(d, classes), flat[d * classes :]
    log_probs = log_softmax(x @ kernel + bias, axis=1)
    value = -np.sum(y * log_probs) + penalty / 2 * np.sum(kernel**2)
    wrong = np.exp(log_probs) - y
    slope = [(x.T @ wrong + penalty * kernel).ravel(), wrong.sum(0)]
    return value / len(x), np.concatenate(slope) / len(x)

  options = {"maxiter": 2000, "maxfun": 4000, "ftol": 1e-12, "gtol": 1e-7}
  start = np.zeros((d + 1) * classes)
  found = minimize(loss, start, jac=True, method="L-BFGS-B", options=options).x
  kernel = found[: d * classes].reshape(d, classes)
  return Linear(kernel if basis is None else basis @ kernel, found[-classes:])


def logistic_chosen(
  features: np.ndarray, labels: np.ndarray, classes: int, grid: Sequence[float]
) -> tuple[Linear, float]:
  """Chooses the penalty by cross-validation, and fits to all examples.

  Where a class has one example, there is nothing to validate on, and the
  middle of the grid is taken.

  Args:
    features: (n, d).
    labels: (n,) in [0, classes).
    classes: k.
    grid: penalties of the kernel's squared length, each > 0.

  Returns:
    The classifier, and the penalty chosen; of equal ones the largest.
  """
  tried, fold = sorted(grid, reverse=True), folds(labels, FOLDS)
  turns = range(FOLDS if len(labels) < LARGE else 1)

  def wrong(penalty: float) -> int:
    count = 0
    for turn in turns:
      held = fold == turn
      fit = logistic(features[~held], labels[~held], classes, penalty)
      count += int(np.sum(fit.predict(features[held]) != labels[held]))
    return count

  counts = np.bincount(labels)
  if counts[counts > 0].min() < 2:
    chosen = tried[len(tried) // 2]
  else:
    chosen = min(tried, key=wrong)
  return logistic(features, labels, classes, chosen), chosen


def folds(labels: np.ndarray, number: int) -> np.ndarray:
  """Returns the fold (n,) of each example; each class is in all, in turn."""
  fold = np.zeros(len(labels), np.int64)
  for k in np.unique(labels):
    mine = np.flatnonzero(labels == k)
    fold[mine] = np.arange(len(mine)) % number
  return fold
