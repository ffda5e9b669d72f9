"""From which score on: chosen on val while training, or given."""

import json
import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from etils import epath

from vision_jax.errors import UserError
from vision_jax.experiment import Experiment
from vision_jax.train.log.metrics_file import MetricsFile
from vision_jax.writers.base import SURE, About, Row
from vision_jax.writers.line import class_of, classes_of, has_several


class Threshold(NamedTuple):
  """The least score that counts, None for none, and where it comes from.

  Attributes:
    value: of all classes.
    source: where it comes from.
    given: whether a user gave it.
    by_class: of each class, where an image may have several; () for `value`.
  """

  value: float | None
  source: str
  given: bool = False
  by_class: Sequence[float] = ()


NONE = Threshold(None, "by default")


def choose(
  given: float | None,
  experiment: Experiment,
  workdir: epath.Path,
  kind: str,
  step: int,
) -> Threshold:
  """Returns the threshold given, or the one that the run has measured on val.

  Args:
    given: None for the run's.
    experiment: `best` tells the data held out; without it they are "val".
    workdir: the run's folder, with what it measured.
    kind: kind of the weights, "raw" or "ema".
    step: step of the weights; a threshold of the last evaluation before it will
      do.
  """
  if given is not None:
    return Threshold(given, "--threshold", given=True)
  split = experiment.best[0].split("/")[0] if experiment.best else "val"
  prefix = f"{split}/ema/" if kind == "ema" else f"{split}/"
  name = f"{prefix}threshold"
  measured = {at: x for at, x in _measured(workdir) if x.get(name) is not None}
  at = max((at for at in measured if at <= step), default=None)
  if at is None:
    return Threshold(None, f"by default: no {name} was measured")
  best = next(
    (
      f", {label} {value:.2f}"
      for label, end in (("F1", "f1"), ("Dice", "dice"))
      if (value := measured[at].get(f"{name}_{end}")) is not None
    ),
    "",
  )
  source = f"the best on {split}, step {at}{best}"
  names = experiment.predict.class_names if experiment.predict else ()
  each = [measured[at].get(f"{name}/{x}") for x in names]
  by_class = () if None in each else tuple(map(float, each))
  return Threshold(float(measured[at][name]), source, by_class=by_class)


def _measured(workdir: epath.Path) -> Iterator[tuple[int, dict]]:
  """Yields steps and what was measured of them, by training and --mode=eval."""
  for line in MetricsFile(workdir).read():
    yield line["step"], line
  later = workdir / "evaluations.jsonl"
  for text in later.read_text().splitlines() if later.exists() else ():
    line = json.loads(text)
    yield line["checkpoint"], line


def apply(row: Row, about: About) -> Row:
  """Returns outputs whose masks of two classes are by the threshold."""
  if "probs" not in row or about.threshold is None:
    return row
  if row["probs"].shape[-1] != 2:
    return row
  second = row["probs"][..., 1] >= about.threshold
  return {**row, "target": second.astype(row["target"].dtype)}


def check(row: Row, threshold: Threshold) -> None:
  """Refuses a threshold that a user gives to a task without a use for it.

  Args:
    row: an image's outputs, or their shapes.
    threshold: the threshold.
  """
  decides = "boxes" in row or has_several(row) or _has_two(row)
  if threshold.given and not decides:
    raise UserError(
      f"--threshold: got {threshold.value}; expected none, as this task "
      "decides neither between two classes nor on boxes, nor on each label "
      "of several. Leave it out."
    )


def _has_two(row: Row) -> bool:
  """Whether an image or a pixel is of one of two classes."""
  if "logits" in row and row["logits"].shape[-1] <= 2:
    return True
  return "probs" in row and row["probs"].shape[-1] == 2


class Tally:
  """Counts what a threshold parts, to tell the user."""

  def __init__(self, threshold: Threshold, about: About):
    self._threshold, self._about = threshold, about
    self._above = self._below = 0
    self._best, self._what = -math.inf, ""

  def add(self, row: Row) -> None:
    """Counts an image's boxes, or the image, or its pixels."""
    if "boxes" in row:
      self._what = "boxes"
      sure = len(self._about.sure(row)["score"])
      self._count(sure, len(row["score"]), row["score"])
    elif has_several(row):
      self._what = "labels"
      labels, probs = classes_of(row, self._about)
      self._count(len(labels), len(probs), probs)
    elif self._about.threshold is None:
      return
    elif "logits" in row and len(row["logits"]) <= 2:
      self._what = "images"
      label, probs = class_of(row, self._about)
      self._count(label, 1, probs[1:])
    elif "probs" in row and row["probs"].shape[-1] == 2:
      self._what = "pixels"
      probs = row["probs"][..., 1]
      self._count(int(row["target"].sum()), probs.size, probs)

  def lines(self) -> list[str]:
    """Returns what there is to tell: a line, or nothing."""
    if not self._what:
      return []
    value = self._about.threshold
    if value is None:
      value = SURE if self._what == "boxes" else 0.5
    score = "score" if self._what == "boxes" else "probability"
    if self._what not in ("boxes", "labels"):
      score = f"probability of {self._about.name(1)}"
    best = f"; the best {score} is {self._best:.3g}"
    each = self._what == "labels" and self._about.thresholds
    head = "Thresholds of each class" if each else f"Threshold {value:.3g}"
    return [
      f"{head} ({self._threshold.source}): {self._above} {self._what} lie "
      f"above {'them' if each else 'it'} and {self._below} below"
      f"{best if math.isfinite(self._best) else ''}."
    ]

  def _count(self, above: int, number: int, scores: np.ndarray) -> None:
    self._above += above
    self._below += number - above
    self._best = max(self._best, float(scores.max(initial=-math.inf)))
