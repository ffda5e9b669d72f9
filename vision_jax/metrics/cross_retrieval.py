"""Retrieval between images and their captions, both ways."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from vision_jax.core.types import Array, Batch
from vision_jax.errors import UserError
from vision_jax.metrics.retrieval import cosines, right

_WAYS = {"image_to_text": ("image", "text"), "text_to_image": ("text", "image")}


@dataclasses.dataclass(frozen=True)
class CrossRetrieval:
  """`image_to_text_recall_at_K` and `text_to_image_recall_at_K`.

  `out` has `features` and `text_features` (b, d), an image's and its caption's,
  the batch `tokens` (b, n). Each image looks among the captions of all, each
  caption among all images, by the cosine; recall_at_K is how often one of the K
  nearest is right: its own, or that of another with the same caption, word for
  word, which no image could tell from it.

  Attributes:
    ks: the numbers K.
  """

  ks: Sequence[int] = (1, 5)
  state: ClassVar[Any] = None

  def __post_init__(self):
    if not self.ks or min(self.ks) < 1:
      raise UserError(f"ks: got {tuple(self.ks)}; expected numbers from 1.")

  @property
  def names(self) -> tuple[str, ...]:
    """Those of the results."""
    return tuple(f"{way}_recall_at_{k}" for way in _WAYS for k in self.ks)

  def measure(
    self, state: Any, out: Mapping[str, Array], batch: Batch
  ) -> tuple[dict[str, Array], dict[str, Array]]:
    """Gathers the features of both, and the captions."""
    del state
    features = {"image": out["features"], "text": out["text_features"]}
    return {}, features | {"caption": batch["tokens"]}

  def result(self, sums: Mapping, rows: Mapping) -> dict[str, float]:
    """Compares every image with every caption."""
    del sums
    captions = np.asarray(rows["caption"])
    same = np.unique(captions, axis=0, return_inverse=True)[1].reshape(-1)
    found = {}
    for way, (asks, lies) in _WAYS.items():
      for k, recall in self._recalls(rows[asks], rows[lies], same).items():
        found[f"{way}_recall_at_{k}"] = recall
    return found

  def _recalls(
    self, asks: np.ndarray, lies: np.ndarray, label: np.ndarray
  ) -> dict[int, float]:
    """Returns the recall at each K of (n, d) among (n, d)."""
    hits = np.zeros(len(self.ks))
    for part, cosine in cosines(asks, lies):
      hit = right(cosine, label, label[part], max(self.ks))
      hits += [hit[:, :k].any(1).sum() for k in self.ks]
    return dict(zip(self.ks, (hits / len(label)).tolist(), strict=True))
