"""What `predictions.jsonl` has of an image, whatever else is written."""

from collections.abc import Callable
from typing import Any

import numpy as np

from vision_jax.data.text.letters import decoded
from vision_jax.writers.base import About, Row

TOP = 5


def line(row: Row, about: About) -> dict[str, Any]:
  """Returns what an image's outputs mean, in words and numbers.

  Of `logits` (k,): `label` (index), `class` (name), `score` (probability), and
  `top`, the five most likely with their scores; where `label` (k,) says that an
  image has several, `classes`, the names of those that count, and `scores` of
  all. Of `boxes` (p, 4) xyxy in pixels with `score` and `label` (p,): `boxes`,
  those that count. Of `target` (h w): `share`, each class's part of the pixels.
  Of `number` (t,): `numbers`, by their names; of a mixture, which has `weight`,
  `mean` and `sd` too, also `sds`, their standard deviations. Of `depth` (h w):
  `depths`, the nearest, the median and the farthest.
  Of `instances` (h w): `objects`, how many there are.
  Of `text` (n,), code points: `text`, and `score`, its probability.
  """
  found: dict[str, Any] = {}
  for output, fields in _FIELDS.items():
    if output in row:
      found |= fields(row, about)
  return found


def has_several(row: Row) -> bool:
  """Whether an image may have several classes, or none."""
  return "logits" in row and getattr(row.get("label"), "ndim", 0) == 1


def classes_of(row: Row, about: About) -> tuple[np.ndarray, np.ndarray]:
  """Returns the classes of an image that has several, and all probabilities.

  Returns:
    The labels (n,) of the classes that count, the most likely first, and the
    probabilities (k,).
  """
  probs = _sigmoid(row["logits"])
  least = 0.5 if about.threshold is None else about.threshold
  counts = probs >= np.asarray(about.thresholds or least)
  order = np.argsort(-probs, kind="stable")
  return order[counts[order]], probs


def class_of(row: Row, about: About) -> tuple[int, np.ndarray]:
  """Returns the one class of an image, and the probabilities (k,) of all.

  One logit is that of the second of two classes.
  """
  logits = row["logits"]
  if len(logits) == 1:
    second = _sigmoid(logits)
    probs = np.concatenate([1 - second, second])
  else:
    shifted = np.exp(logits - logits.max())
    probs = shifted / shifted.sum()
  if about.threshold is not None and len(probs) == 2:
    return int(probs[1] >= about.threshold), probs
  return int(np.argsort(-probs)[0]), probs


def found_classes(row: Row, about: About) -> tuple[list[int], np.ndarray]:
  """Returns an image's class, or several, and the probabilities (k,) of all."""
  if has_several(row):
    labels, probs = classes_of(row, about)
    return labels.tolist(), probs
  label, probs = class_of(row, about)
  return [label], probs


def _sigmoid(logits: np.ndarray) -> np.ndarray:
  small = np.exp(-np.abs(logits))
  return np.where(logits >= 0, 1, small) / (1 + small)


def _classes(row: Row, about: About) -> dict[str, Any]:
  if has_several(row):
    labels, probs = classes_of(row, about)
    scores = {about.name(k): _digits(x) for k, x in enumerate(probs)}
    return {"classes": [about.name(k) for k in labels], "scores": scores}
  label, probs = class_of(row, about)
  entry = lambda k: {"class": about.name(k), "score": _digits(probs[k])}
  top = [entry(k) for k in np.argsort(-probs)[:TOP]]
  return {"label": label} | entry(label) | {"top": top}


def _boxes(row: Row, about: About) -> dict[str, Any]:
  sure = about.sure(row)
  rows = zip(sure["boxes"], sure["score"], sure["label"], strict=True)
  return {
    "boxes": [
      {
        "class": about.name(k),
        "score": _digits(score),
        "xyxy": [round(x, 2) for x in np.float64(box).tolist()],
      }
      for box, score, k in rows
    ]
  }


def _shares(row: Row, about: About) -> dict[str, Any]:
  labels, counts = np.unique(row["target"], return_counts=True)
  shares = np.round(counts / row["target"].size, 6).tolist()
  names = [about.name(k) for k in labels]
  return {"share": dict(zip(names, shares, strict=True))}


def _digits(score: np.ndarray) -> float:
  return round(float(score), 6)


def _numbers(row: Row, about: About) -> dict[str, Any]:
  number = np.asarray(row["number"], np.float64)
  names = about.class_names or [str(i) for i in range(len(number))]
  by_name = lambda values: dict(zip(names, map(float, values), strict=True))
  found = {"numbers": by_name(number)}
  if "sd" in row:
    weight, mean, sd = (np.float64(row[x]) for x in ("weight", "mean", "sd"))
    variance = weight @ (sd**2 + (mean - number) ** 2)
    found["sds"] = by_name(np.sqrt(variance))
  return found


def _depths(row: Row, about: About) -> dict[str, Any]:
  del about
  near, middle, far = np.quantile(np.float64(row["depth"]), (0, 0.5, 1))
  named = {"nearest": near, "median": middle, "farthest": far}
  return {"depths": {name: _digits(x) for name, x in named.items()}}


def _objects(row: Row, about: About) -> dict[str, Any]:
  del about
  numbers = np.unique(row["instances"])
  return {"objects": int((numbers > 0).sum())}


def _text(row: Row, about: About) -> dict[str, Any]:
  del about
  return {"text": decoded(row["text"]), "score": _digits(row["score"])}


_FIELDS: dict[str, Callable[[Row, About], dict[str, Any]]] = {
  "logits": _classes,
  "boxes": _boxes,
  "target": _shares,
  "number": _numbers,
  "depth": _depths,
  "instances": _objects,
  "text": _text,
}
