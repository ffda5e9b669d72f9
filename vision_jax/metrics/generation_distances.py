"""Distances between two sets of features, in float64 on the host.

Features are (n, d) arrays of an extractor: `generation.py` collects them.
"""

import dataclasses

import numpy as np

from vision_jax.core.seeds import check_seed
from vision_jax.errors import UserError


@dataclasses.dataclass(frozen=True, eq=False)
class Moments:
  """Mean and covariance of features.

  Attributes:
    mean: (d,) float64.
    covariance: (d, d) float64, divided by count - 1.
    count: examples.
  """

  mean: np.ndarray
  covariance: np.ndarray
  count: int

  @classmethod
  def of(cls, features: np.ndarray) -> "Moments":
    """Returns the moments of features (n, d)."""
    features = np.asarray(features, np.float64)
    check_count("moments", len(features), 2)
    mean = features.mean(0)
    centred = features - mean
    covariance = centred.T @ centred / (len(features) - 1)
    return cls(mean, covariance, len(features))

  @classmethod
  def from_sums(
    cls, count: float, total: np.ndarray, outer: np.ndarray, shift: np.ndarray
  ) -> "Moments":
    """Returns the moments from sums of x - shift and of its outer products.

    Args:
      count: examples.
      total: (d,) sum of x - shift.
      outer: (d, d) sum of (x - shift)(x - shift)^T.
      shift: (d,) near the mean, so that little cancels.
    """
    check_count("moments", count, 2)
    total = np.asarray(total, np.float64)
    offset = total / count
    outer = np.asarray(outer, np.float64) - count * np.outer(offset, offset)
    covariance = (outer + outer.T) / (2 * (count - 1))
    return cls(np.asarray(shift, np.float64) + offset, covariance, int(count))


def frechet_distance(a: Moments, b: Moments) -> float:
  """Squared Fréchet distance of two normals: arxiv.org/abs/1706.08500.

  |mean_a - mean_b|² + tr(A + B - 2 (A B)^{1/2}). The trace of the root is taken
  from the eigenvalues of the symmetric A^{1/2} B A^{1/2}, which are those of
  A B, so that it is real also where a covariance is singular.
  """
  if a.mean.shape != b.mean.shape:
    raise UserError(
      f"Fréchet distance: got features of {len(a.mean)} and {len(b.mean)} "
      "numbers; expected moments from one extractor."
    )
  values, vectors = np.linalg.eigh(a.covariance)
  root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
  inner = root @ b.covariance @ root
  eigenvalues = np.linalg.eigvalsh((inner + inner.T) / 2)
  cross = np.sqrt(np.maximum(eigenvalues, 0)).sum()
  gap = a.mean - b.mean
  traces = np.trace(a.covariance) + np.trace(b.covariance)
  return float(gap @ gap + traces - 2 * cross)


def kernel_distance(
  real: np.ndarray,
  fake: np.ndarray,
  *,
  subsets: int = 100,
  subset_size: int = 1000,
  seed: int = 0,
) -> tuple[float, float]:
  """Kernel distance (KID), mean and deviation over random subsets.

  The unbiased squared maximum mean discrepancy of the kernel (x·y / d + 1)³:
  Binkowski et al., https://arxiv.org/abs/1801.01401. The deviation is that of
  the subsets' values, as published with it, and not the mean's error.

  Args:
    real: features (n, d).
    fake: features (m, d).
    subsets: how many; with subset_size = n = m one is the whole estimate.
    subset_size: examples drawn from each set, without replacement.
    seed: seed of the subsets.

  Raises:
    UserError: if a set has fewer examples than a subset takes.
  """
  check_seed(seed)
  check_count("kernel distance, subset_size", subset_size, 2)
  for name, features in (("real", real), ("generated", fake)):
    check_count(f"kernel distance, {name} examples", len(features), subset_size)
  rng = np.random.RandomState(seed)
  pick = lambda x: np.asarray(
    x[rng.permutation(len(x))[:subset_size]], np.float64
  )
  values = [_mmd(pick(real), pick(fake)) for _ in range(subsets)]
  return float(np.mean(values)), float(np.std(values))


def _mmd(x: np.ndarray, y: np.ndarray) -> float:
  """Unbiased squared discrepancy of two sets of equal size."""
  n, d = x.shape
  kernel = lambda a, b: (a @ b.T / d + 1) ** 3
  xx, yy, xy = kernel(x, x), kernel(y, y), kernel(x, y)
  within = (xx.sum() - np.trace(xx) + yy.sum() - np.trace(yy)) / (n * (n - 1))
  return within - 2 * xy.sum() / n**2


def inception_score(
  logits: np.ndarray, splits: int = 10, *, seed: int = 0
) -> tuple[float, float]:
  """Inception score, mean and deviation over splits: arxiv.org/abs/1606.03498.

  exp of the mean KL of a classifier's p(y | x) from p(y), in each of `splits`
  parts of logits (n, k).

  Differs from the paper: the parts are drawn by `seed`, and are not consecutive
  ones, which of images that are sorted by their class have few classes each.
  """
  check_seed(seed)
  check_count("inception score, splits", splits, 1)
  check_count("inception score, examples", len(logits), splits)
  logits = np.asarray(logits, np.float64)
  log_p = logits - logits.max(1, keepdims=True)
  log_p -= np.log(np.exp(log_p).sum(1, keepdims=True))
  scores = []
  log_p = np.random.RandomState(seed).permutation(log_p)
  for part in np.array_split(log_p, splits):
    p = np.exp(part)
    marginal = np.log(p.mean(0, keepdims=True) + 1e-300)
    scores.append(np.exp((p * (part - marginal)).sum(1).mean()))
  return float(np.mean(scores)), float(np.std(scores))


def precision_recall(
  real: np.ndarray, fake: np.ndarray, neighbours: int = 3
) -> tuple[float, float]:
  """Improved precision and recall: https://arxiv.org/abs/1904.06991.

  Differs from the paper: features are whatever an extractor gives, and not
  those of VGG-16's second dense layer.

  Precision is the share of `fake` within the distance of some real example to
  its k-th nearest real neighbour; recall the same with the sets exchanged.
  """
  for name, features in (("real", real), ("generated", fake)):
    check_count(
      f"precision and recall, {name} examples", len(features), neighbours + 1
    )
  real, fake = (np.asarray(x, np.float64) for x in (real, fake))
  return (
    _share_within(fake, real, neighbours),
    _share_within(real, fake, neighbours),
  )


def _share_within(
  points: np.ndarray, manifold: np.ndarray, neighbours: int, block: int = 1000
) -> float:
  """The share of `points` within the balls around `manifold`'s examples."""
  radius = np.concatenate(
    [
      # The nearest is the example itself.
      np.partition(_squares(part, manifold), neighbours, axis=1)[:, neighbours]
      for part in _blocks(manifold, block)
    ]
  )
  inside = [
    (_squares(part, manifold) <= radius).any(1)
    for part in _blocks(points, block)
  ]
  return float(np.concatenate(inside).mean())


def _blocks(x: np.ndarray, size: int) -> list[np.ndarray]:
  return [x[i : i + size] for i in range(0, len(x), size)]


def _squares(a: np.ndarray, b: np.ndarray) -> np.ndarray:
  """Squared distances of a (n, d) and b (m, d), (n, m)."""
  from scipy.spatial.distance import cdist

  return cdist(a, b, "sqeuclidean")


def check_count(what: str, got: float, minimum: int) -> None:
  """Checks that an estimator has enough examples.

  Raises:
    UserError: with the minimum.
  """
  if got < minimum:
    raise UserError(
      f"{what}: got {int(got)}; expected at least {minimum}. Evaluate on more "
      "examples, or ask less of the estimator."
    )
