"""An order whose batches have several examples of each of their classes."""

import functools

import numpy as np

from vision_jax.data.errors import DataError
from vision_jax.data.order import in_turn, rng_of
from vision_jax.data.pickled import AsMade
from vision_jax.data.source import Source


class ClassBatches(AsMade):
  """An order of batches: so many classes, so many examples of each.

  For what compares the examples of a batch: P x K sampling. A loader of this
  order has batches of `classes * each` examples, a class's one after another.
  An epoch has as many whole batches as the source has room for, one at least;
  their classes are drawn anew, and of a class each example comes once more
  before any comes twice more.

  Args:
    source: its `labels()` (n,) are the classes; read on first use.
    classes: different classes in a batch, P.
    each: examples of a class in a batch, K.

  Raises:
    DataError: on first use, for fewer classes, or one with a single example.
  """

  def __init__(self, source: Source, classes: int, each: int):
    if not hasattr(source, "labels"):
      raise DataError(
        f"ClassBatches: got a {type(source).__name__}, which has no labels(); "
        "expected a source with a class for each example."
      )
    if classes < 2 or each < 2:
      raise DataError(
        f"batches: got {classes} classes of {each} examples; expected two or "
        "more of both, as there is nothing to compare otherwise."
      )
    self.source, self.classes, self.each = source, classes, each

  def __call__(self, seed: int, epoch: int) -> np.ndarray:
    """Returns the indices (m,) of an epoch."""
    rng, k = rng_of(seed, epoch), len(self._members)
    size = self.classes * self.each
    batches = max(sum(map(len, self._members)) // size, 1)
    drawn = np.stack(
      [rng.permutation(k)[: self.classes] for _ in range(batches)]
    )
    found = np.empty((batches, self.classes, self.each), np.int64)
    for number, members in enumerate(self._members):
      here = drawn == number
      turns = in_turn(rng, members, int(here.sum()) * self.each)
      found[here] = turns.reshape(-1, self.each)
    return found.reshape(-1)

  @functools.cached_property
  def _members(self) -> list[np.ndarray]:
    """The indices of each class's examples."""
    labels = np.asarray(self.source.labels())
    if labels.ndim != 1:
      raise DataError(
        f"ClassBatches: got labels of shape {labels.shape}; expected (n,), one "
        "class for each example."
      )
    there, counts = np.unique(labels, return_counts=True)
    if len(there) < self.classes:
      raise DataError(
        f"batches: got {self.classes} classes in each, and the data have "
        f"{len(there)}; expected at most as many. Use fewer classes."
      )
    if counts.min() < 2:
      raise DataError(
        f"batches: the class {self._name(there[counts.argmin()])} has one "
        "image; expected two or more of each, as images of a class are "
        "compared with each other. Add images of it, or leave it out."
      )
    return [np.flatnonzero(labels == label) for label in there]

  def _name(self, label: int) -> str:
    names = getattr(self.source, "class_names", ())
    return repr(names[label]) if label < len(names) else str(label)
