"""Few-shot classification: new classes, of each of which a few are known."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from vision_jax.core.types import Array, Batch
from vision_jax.errors import UserError


@dataclasses.dataclass(frozen=True)
class FewShot:
  """`fewshot_N`, and `fewshot_N_interval`: accuracy with N images of a class.

  Of so many episodes: some classes are drawn, of each `shots` images and
  `queries` others. The mean of a class's shots is its prototype, and a query
  is of the class of the nearest one (Snell et al., 2017). The interval is half
  of the 95 % interval of the mean over the episodes, 1.96 standard errors.
  `out` has `features` (b, d), the batch `label`, int (b,).

  Attributes:
    shots: the numbers N.
    ways: classes in an episode.
    queries: of each of them.
    episodes: how many.
    seed: of what is drawn.
  """

  shots: Sequence[int] = (1, 5)
  ways: int = 5
  queries: int = 15
  episodes: int = 600
  seed: int = 0
  state: ClassVar[Any] = None

  def __post_init__(self):
    for name, least in {"ways": 2, "queries": 1, "episodes": 2}.items():
      if (value := getattr(self, name)) < least:
        raise UserError(f"{name}: got {value}; expected {least} or more.")
    if not self.shots or min(self.shots) < 1:
      raise UserError(f"shots: got {tuple(self.shots)}; expected 1 or more.")

  @property
  def names(self) -> tuple[str, ...]:
    """Those of the results."""
    each = [(f"fewshot_{n}", f"fewshot_{n}_interval") for n in self.shots]
    return tuple(name for pair in each for name in pair)

  def measure(
    self, state: Any, out: Mapping[str, Array], batch: Batch
  ) -> tuple[dict[str, Array], dict[str, Array]]:
    """Gathers features and labels."""
    del state
    return {}, {"features": out["features"], "label": batch["label"]}

  def check(self, label: np.ndarray) -> np.ndarray:
    """Returns the classes that labels (n,) have images enough of.

    Raises:
      UserError: if they are fewer than an episode has.
    """
    needs = max(self.shots) + self.queries
    there, counts = np.unique(label, return_counts=True)
    large = there[counts >= needs]
    if len(large) < self.ways:
      raise UserError(
        f"episodes: got {len(there)} classes, {len(large)} of them with "
        f"{needs} images; expected {self.ways} such, of {max(self.shots)} "
        f"shots and {self.queries} queries. Ask for fewer of either "
        "(--config.episode_shots, --config.episode_queries), or for fewer ways."
      )
    return large

  def result(self, sums: Mapping, rows: Mapping) -> dict[str, float]:
    """Draws the episodes.

    Raises:
      UserError: as `check` does.
    """
    del sums
    features = np.asarray(rows["features"], np.float64)
    label = np.asarray(rows["label"])
    members = [np.flatnonzero(label == x) for x in self.check(label)]
    found = {}
    for n in self.shots:
      rng = np.random.default_rng((self.seed, n))
      scores = [
        self._episode(features, members, n, rng) for _ in range(self.episodes)
      ]
      spread = np.std(scores, ddof=1) / np.sqrt(self.episodes)
      values = (float(np.mean(scores)), float(1.96 * spread))
      found |= dict(
        zip((f"fewshot_{n}", f"fewshot_{n}_interval"), values, strict=True)
      )
    return found

  def _episode(
    self,
    features: np.ndarray,
    members: Sequence[np.ndarray],
    shots: int,
    rng: np.random.Generator,
  ) -> float:
    """Returns the accuracy on the queries of one episode."""
    ways = rng.choice(len(members), self.ways, replace=False)
    size = shots + self.queries
    drawn = [rng.choice(members[i], size, replace=False) for i in ways]
    seen = features[np.stack(drawn)]  # (ways, size, d)
    return accuracy(seen[:, :shots], seen[:, shots:])


def accuracy(support: np.ndarray, queries: np.ndarray) -> float:
  """Returns the part of queries (w, q, d) nearest to their own prototype.

  Args:
    support: (w, n, d), of each class.
    queries: of the same classes.
  """
  prototypes = support.mean(1)
  square = ((queries[:, :, None] - prototypes) ** 2).sum(-1)
  return float((square.argmin(-1) == np.arange(len(support))[:, None]).mean())
