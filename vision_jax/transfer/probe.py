"""How well frozen features tell classes: linear probes and neighbours.

Three classifiers of the same features: ridge regression to one-hot labels, the
penalty chosen by leave-one-out; logistic regression, the penalty chosen by
cross-validation; and a vote of the nearest neighbours by cosine, each weighed
by exp(cosine / 0.07) as DINO's (Caron et al., 2021). No choice sees what is
measured on. With `shots` they are fitted in episodes, each to other examples.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping

import numpy as np

from vision_jax.data.classes import draw_shots
from vision_jax.data.subsets import subset
from vision_jax.errors import UserError
from vision_jax.metrics.linear import fit_scaled, logistic_chosen, ridge
from vision_jax.metrics.neighbours import vote
from vision_jax.transfer.features import Extractor, Features
from vision_jax.transfer.images import ProbeImages

TEMPERATURE = 0.07  # DINO's
NEIGHBOURS = 20


@dataclasses.dataclass(frozen=True)
class Outcome:
  """What one classifier reaches.

  Attributes:
    values: accuracy of each episode.
    chosen: its penalty in each, for an example of mean squared length 1; () of
      neighbours.
    interval: of the mean, 95 %: by Student's t over episodes; of one episode
      by the number of examples measured on.
  """

  values: tuple[float, ...]
  chosen: tuple[float, ...]
  interval: tuple[float, float]

  @property
  def mean(self) -> float:
    """The mean accuracy."""
    return float(np.mean(self.values))


@dataclasses.dataclass(frozen=True)
class Probe:
  """What is probed.

  Attributes:
    shots: examples of each class that an episode is fitted to; 0 for all, in
      one episode.
    episodes: how many.
    seed: of the first episode's draw; the next has the next.
    neighbours: how many vote, at most those that there are.
  """

  shots: int = 0
  episodes: int = 10
  seed: int = 0
  neighbours: int = NEIGHBOURS

  def __call__(
    self,
    extract: Extractor,
    images: ProbeImages,
    *,
    on_bad_image: str = "error",
  ) -> dict[str, Outcome]:
    """Returns classifier -> what it reaches.

    Only the images that an episode draws are read.

    Args:
      extract: the net.
      images: with labels.
      on_bad_image: "error" or "skip".

    Raises:
      UserError: for fewer than two classes, or fewer examples than shots.
    """
    labels = _checked(images.train.labels(), images)
    draws = self.draws(labels, images)
    needed = np.unique(np.concatenate(draws))
    read = functools.partial(extract, on_bad_image=on_bad_image)
    train = read(subset(images.train, needed))
    train = dataclasses.replace(train, index=needed[train.index])
    return self.measure(train, read(images.measured), draws)

  def draws(self, labels: np.ndarray, images: ProbeImages) -> list[np.ndarray]:
    """Returns the positions of the examples that each episode is fitted to."""
    if not self.shots:
      return [np.arange(len(labels))]
    names = images.class_names
    seeds = range(self.seed, self.seed + self.episodes)
    return [draw_shots(labels, self.shots, seed, names) for seed in seeds]

  def measure(
    self, train: Features, test: Features, draws: list[np.ndarray]
  ) -> dict[str, Outcome]:
    """Returns classifier -> what it reaches, of features.

    Args:
      train: those that are drawn from, and their positions.
      test: those that are measured on.
      draws: positions of the examples of each episode.
    """
    classes = int(max(train.labels.max(), test.labels.max())) + 1
    found: dict[str, list[tuple[float, float | None]]] = {}
    for draw in draws:
      rows = np.isin(train.index, draw)
      x, y = train.values[rows], train.labels[rows]
      for name, fit in self._classifiers(classes).items():
        predict, chosen = fit(x, y)
        right = float(np.mean(predict(test.values) == test.labels))
        found.setdefault(name, []).append((right, chosen))
    return {
      name: _outcome(rows, len(test.labels)) for name, rows in found.items()
    }

  def _classifiers(self, classes: int) -> Mapping[str, Callable]:
    """Returns name -> fit(features, labels) -> (predict, what it chose)."""

    def neighbours(x, y):
      k = min(self.neighbours, len(x))
      return (lambda new: vote(new, x, y, k, TEMPERATURE)), None

    return {
      "ridge": functools.partial(fit_scaled, ridge, classes),
      "logistic": functools.partial(fit_scaled, logistic_chosen, classes),
      "knn": neighbours,
    }


def _outcome(rows: list[tuple[float, float | None]], examples: int) -> Outcome:
  values = [value for value, _ in rows]
  mean, n = float(np.mean(values)), len(values)
  if n > 1:
    from scipy.special import stdtrit  # half of scipy.stats takes a second

    half = stdtrit(n - 1, 0.975) * np.std(values, ddof=1) / np.sqrt(n)
  else:
    half = 1.96 * np.sqrt(mean * (1 - mean) / max(examples, 1))
  interval = (max(mean - float(half), 0.0), min(mean + float(half), 1.0))
  chosen = tuple(x for _, x in rows if x is not None)
  return Outcome(tuple(values), chosen, interval)


def _checked(labels: np.ndarray, images: ProbeImages) -> np.ndarray:
  if labels.ndim != 1:
    raise UserError(
      f"--mode=probe: the images of {images.name} have several labels each; "
      "expected one."
    )
  found = np.unique(labels)
  if len(found) < 2:
    only = [images.class_names[k] for k in found if k < len(images.class_names)]
    raise UserError(
      f"--mode=probe: {images.name} has {len(found)} class"
      f"{f', {only[0]!r}' if only else ''}, to train on; expected two or more. "
      "Give a folder with a folder for each class."
    )
  return labels
