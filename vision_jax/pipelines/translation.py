"""Translation: pairs of images, or two kinds of them, in; loaders out."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from vision_jax.core.types import Metric, Output
from vision_jax.data.loader import Loader
from vision_jax.data.memory import InMemory
from vision_jax.data.source import Source
from vision_jax.data.together import Together
from vision_jax.data.transformed import Transformed
from vision_jax.data.transforms.base import Transform, keep
from vision_jax.data.transforms.image import resize
from vision_jax.data.transforms.pairs import decode_wanted, resize_all
from vision_jax.data.transforms.restoration import patch
from vision_jax.errors import UserError
from vision_jax.experiment import Eval, Predict
from vision_jax.ops.augment.geometry import random_flip
from vision_jax.ops.inputs import in_unit
from vision_jax.ops.parts import of_parts
from vision_jax.pipelines.data import Arrays, Data, Loading
from vision_jax.viz.grid import grid

SHOWN = 4  # examples that TensorBoard shows
KEPT = ("image", "wanted")


@dataclasses.dataclass(frozen=True)
class Seen:
  """How much of an image a net sees.

  Attributes:
    image_size: side of the squares that it trains on.
    load_size: side that whole images are resized to before such a square is cut
      out of them at random.
    parts: whether squares are cut out of images at their own size, in place of
      that; predictions are then of whole images, too.
  """

  image_size: int
  load_size: int
  parts: bool = False

  def __post_init__(self):
    if self.load_size < self.image_size:
      raise UserError(
        f"--config.load_size: got {self.load_size}, and {self.image_size} "
        "pixels are cut out of that; expected as many or more."
      )

  def train(
    self, loading: Loading, source: Source, steps: Sequence[Transform]
  ) -> Loader:
    """Returns the loader of what is trained on."""
    if self.parts:
      held = Transformed(source, steps, keep=True)
    else:
      held = _resized(source, steps, self.load_size, loading.threads)
    cut = patch(self.image_size, turn=False)
    whole = not self.parts and self.load_size == self.image_size
    return loading.train(held, [] if whole else [cut, keep(*KEPT)])

  def evaluation(
    self, loading: Loading, source: Source, steps: Sequence[Transform]
  ) -> Loader:
    """Returns the loader of what is measured, each image resized whole."""
    held = _resized(source, steps, self.image_size, loading.threads)
    return loading.evaluation(held)

  def predict(self, loading: Loading) -> Predict:
    """Returns how a user's images are translated."""
    size = (self.image_size, self.image_size)
    return Predict(
      [loading.decode(), *([] if self.parts else [resize(size)])],
      formats=("translated",),
      own_size=self.parts,
    )


def pairs(
  *,
  train: Source,
  evals: Mapping[str, Source],
  seen: Seen,
  loading: Loading,
  metrics: Mapping[str, Metric],
  flip: float = 0.0,
) -> Data:
  """Returns what an experiment takes, of sources of pairs.

  Args:
    train: a source whose examples have `image`, and `wanted` or its file as
      `target`; of any sizes, as large as each other.
    evals: name -> such a source.
    seen: how much of an image the net sees.
    loading: how examples become batches.
    metrics: what each evaluation measures.
    flip: how often both are mirrored.
  """
  steps = [loading.decode(), decode_wanted(loading.channels, loading.bits)]
  return Data(
    train_data=seen.train(loading, train, steps),
    evals={
      name: Eval(seen.evaluation(loading, source, steps), metrics, images=_rows)
      for name, source in evals.items()
    },
    inputs=in_unit,
    predict=seen.predict(loading),
    augment=random_flip(flip) if flip else None,
  )


def unpaired(
  *,
  train: Mapping[str, Source],
  evals: Mapping[str, Mapping[str, Source]],
  seen: Seen,
  loading: Loading,
  metrics: Mapping[str, Metric],
  output: Output,
  flip: float = 0.0,
) -> Data:
  """Returns what an experiment takes, of two sources that do not correspond.

  Args:
    train: "a" and "b" -> a source of images of that kind, of any sizes.
    evals: name -> the same of images held out, which may have `wanted` too.
    seen, loading: as for `pairs`.
    metrics: what each evaluation measures.
    output: `both` of the task.
    flip: how often an image is mirrored.
  """
  each = lambda make, sources, *more: Together(
    **{
      side: make(
        _of_side(loading, number), sources[side], [loading.decode(), *more]
      )
      for number, side in enumerate(sorted(sources))
    }
  )
  flips = {side: random_flip(flip) for side in train}
  return Data(
    train_data=each(seen.train, train, keep("image")),
    evals={
      name: Eval(
        each(seen.evaluation, sources), metrics, output, images=_both_ways
      )
      for name, sources in evals.items()
    },
    inputs=in_unit,
    predict=seen.predict(loading),
    augment=of_parts(**flips) if flip else None,
  )


def _resized(
  source: Source, steps: Sequence[Transform], size: int, threads: int
) -> InMemory:
  """Returns a source of squares in memory, of any kind of source."""
  steps = [*steps, resize_all(size), keep(*KEPT)]
  return InMemory(Transformed(source, steps), threads=threads)


def _of_side(loading: Loading, number: int) -> Loading:
  """Returns the loading of one kind, whose order is its own."""
  return dataclasses.replace(loading, seed=(loading.seed + number) % 2**32)


def _rows(batch: Arrays, out: Arrays) -> dict[str, np.ndarray]:
  """Rows of an image, what it becomes, and what was wanted."""
  columns = {
    "image": batch["image"],
    "translated": out["translated"],
    "wanted": batch["wanted"],
  }
  return {"translated": _panel(columns, batch["mask"])}


def _both_ways(batch: Arrays, out: Arrays) -> dict[str, np.ndarray]:
  """Rows of an a, what it becomes, a b, and what that becomes."""
  columns = {
    "a": batch["a/image"],
    "as b": out["b"],
    "b": batch["b/image"],
    "as a": out["a"],
  }
  return {"translated": _panel(columns, batch["mask"])}


def _panel(columns: Mapping[str, np.ndarray], mask: np.ndarray) -> np.ndarray:
  rows = np.flatnonzero(np.asarray(mask) > 0)[:SHOWN]
  cells = [np.asarray(x[i]) for i in rows for x in columns.values()]
  titles = [*columns, *[""] * (len(cells) - len(columns))]
  return grid(cells, len(columns), titles=titles)
