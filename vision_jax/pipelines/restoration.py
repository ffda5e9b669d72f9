"""Restoration: images in, which are made worse; loaders and evaluations out."""

import dataclasses
import logging
from collections.abc import Mapping, Sequence

import numpy as np

from vision_jax.core.types import Metric
from vision_jax.data.by_size import BySize
from vision_jax.data.scaled import Scaled
from vision_jax.data.source import Source
from vision_jax.data.transformed import Transformed
from vision_jax.data.transforms.base import Transform, keep
from vision_jax.data.transforms.image import decode
from vision_jax.data.transforms.restoration import (
  larger,
  patch,
  with_larger,
  with_noise,
  with_smaller,
)
from vision_jax.errors import UserError
from vision_jax.experiment import Eval, Predict
from vision_jax.ops.inputs import in_unit
from vision_jax.pipelines.data import Arrays, Data, Loading
from vision_jax.viz.grid import grid
from vision_jax.viz.pixels import to_unit

_LOG = logging.getLogger(__name__)
DEEP = 16  # bits that images of 8 go into without a loss
SHOWN = 160  # side of the part of an image that TensorBoard shows


@dataclasses.dataclass(frozen=True)
class Worse:
  """What is done to an image, which is to be undone.

  Attributes:
    scale: how many times smaller it becomes.
    method: by which rule, see `with_smaller`.
    enlarge: whether it is then resized back, for nets that take it so.
    sigma: deviation of the noise on it, in levels of 255.
    most: of training, up to which deviation; None for `sigma` itself.
    least: of training, from which one; None likewise.
    known: whether batches have the deviation too, as `noise`.
    seed: of an evaluation's noise.
  """

  scale: int = 1
  method: str = "bicubic"
  enlarge: bool = False
  sigma: float = 0.0
  most: float | None = None
  least: float | None = None
  known: bool = False
  seed: int = 0

  @property
  def ratio(self) -> int:
    """How many times larger clean images are than what a net takes."""
    return 1 if self.enlarge else self.scale

  def fixed(self) -> list[Transform]:
    """Returns what makes images smaller."""
    if self.scale == 1:
      return []
    return [with_smaller(self.scale, self.method, enlarge=self.enlarge)]

  @property
  def keys(self) -> list[str]:
    """What batches have of it."""
    return ["image", "clean", *(["noise"] * self.known)]

  def noise(self, *, training: bool = False) -> list[Transform]:
    """Returns what adds the noise, also of none where nothing else is done."""
    most = self.most if training else None
    least = self.sigma
    if training and self.least is not None:
      least = self.least
    if self.scale > 1 and not (least or most):
      return []
    return [with_noise(least, most)]


def restoration(
  *,
  train: Source,
  evals: Mapping[str, Source],
  worse: Worse,
  patch_size: int,
  loading: Loading,
  metrics: Mapping[str, Metric],
  in_memory: bool = True,
  scales: Sequence[float] = (1.0,),
  weights: Sequence[str] = ("raw",),
) -> Data:
  """Returns what an experiment takes, of sources of images of any sizes.

  Training sees square parts of images, mirrored and turned; an evaluation each
  image whole, at its own size, with noise that is drawn once. Losses are of
  training alone.

  Args:
    train: a source whose examples have `image`, encoded or not.
    evals: name -> such a source.
    worse: what is done to the images.
    patch_size: side of the parts, as the net takes them.
    loading: how examples become batches.
    metrics: what each evaluation measures.
    in_memory: whether images to train on stay in memory once they are decoded.
    scales: sizes at which each of them is trained on, see `Scaled`.
    weights: whose outputs are measured, see `Eval`.
  """
  decoded = [keep("image"), loading.decode()]
  compared = any(getattr(metric, "given", False) for metric in metrics.values())
  given = [with_larger(worse.ratio)] if compared and worse.ratio > 1 else []

  def measured(source: Source) -> Eval:
    kept = keep(*worse.keys, "given")
    steps = [*decoded, *worse.fixed(), *given, *worse.noise(), kept]
    found = BySize(
      Transformed(source, steps, seed=worse.seed),
      batch_size=loading.eval_batch_size,
      threads=loading.threads,
      on_bad_image=loading.on_bad_image,
    )
    return Eval(found, metrics, losses=False, images=_restored, weights=weights)

  sized = Transformed(train, decoded)
  if tuple(scales) != (1.0,):
    sized = Scaled(sized, scales, patch_size * worse.ratio)

  return Data(
    train_data=loading.train(
      Transformed(sized, worse.fixed(), keep=in_memory),
      [
        patch(patch_size, worse.ratio),
        *worse.noise(training=True),
        keep(*worse.keys),
      ],
    ),
    evals={name: measured(source) for name, source in evals.items()},
    inputs=in_unit,
    predict=Predict(
      [
        decode(loading.channels, max(loading.bits, DEEP), loading.bands),
        *([larger(worse.scale)] if worse.enlarge else []),
      ],
      formats=("restored",),
      show_bands=loading.shown,
      own_size=True,
    ),
  )


def check_level(key: str, sigma: float, levels: Sequence[float]) -> None:
  """Warns where noise has another level than those a net was trained on.

  Args:
    key: of the config, that says the level.
    sigma: deviation, in levels of 255.
    levels: (least, most) of training; () where they are not known.

  Raises:
    UserError: for levels that are no such pair.
  """
  if not levels:
    return
  if len(levels) != 2 or not 0 <= levels[0] <= levels[1]:
    raise UserError(
      f"--config.levels: got {tuple(levels)}; expected the least and the most "
      "noise that the net is trained on, such as 0,75."
    )
  if not levels[0] <= sigma <= levels[1]:
    _LOG.warning(
      "--config.%s: noise of %g is not what the net is trained on, %g to "
      "%g of 255: it may leave noise, or take details away.",
      *(key, sigma, *levels),
    )


def _restored(batch: Arrays, out: Arrays) -> dict[str, np.ndarray]:
  """A part of the first image: as it was, as it is given, and restored."""
  clean, got = (
    to_unit(np.asarray(x[0][:SHOWN, :SHOWN]))
    for x in (batch["clean"], out["restored"])
  )
  times = batch["clean"].shape[1] // batch["image"].shape[1]
  given = np.clip(to_unit(batch["image"][0]), 0, 1)
  given = given.repeat(times, 0).repeat(times, 1)[:SHOWN, :SHOWN]
  images = np.stack([clean, given, got])
  return {"restored": grid(images, 3, titles=["clean", "given", "restored"])}
