"""What every pipeline shares: its loaders, and what it gives an experiment."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import ml_collections
import numpy as np

from vision_jax.core.types import Augment, Inputs
from vision_jax.data.bands import as_decoded
from vision_jax.data.loader import Loader
from vision_jax.data.order import Epoch
from vision_jax.data.source import Source
from vision_jax.data.stream import Stream
from vision_jax.data.transforms.base import Transform
from vision_jax.data.transforms.image import decode
from vision_jax.experiment import Eval, Predict
from vision_jax.pipelines.colours import IMAGENET, Colours
from vision_jax.pipelines.pixels import colours_of

Arrays = Mapping[str, np.ndarray]  # of a batch, or put out for it


@dataclasses.dataclass(frozen=True)
class Data:
  """What an experiment takes of a pipeline, by the names of its fields."""

  train_data: Loader
  evals: Mapping[str, Eval]
  inputs: Inputs
  predict: Predict | None = None
  augment: Augment | None = None
  stream: Stream | None = None

  def fields(self) -> dict[str, Any]:
    """Returns the fields that it has, as keywords of `Experiment`."""
    named = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
    return {name: x for name, x in named.items() if x is not None}


@dataclasses.dataclass(frozen=True)
class Loading:
  """How the examples of all sources of a pipeline become batches.

  Attributes:
    batch_size: examples of a training batch.
    eval_batch_size: examples of an evaluation's.
    seed: seed of the order and of random transforms.
    threads: how many threads read and transform; 0 is one for each core.
    bits: 8, 16 or 32 a channel, to which images in files are decoded.
    channels, bands, show_bands: of the images, see `pixels.set_pixels`.
    colours: mean and standard deviation of each channel.
    on_bad_image: "error" or "skip", see `Loader`.
  """

  batch_size: int
  eval_batch_size: int
  seed: int = 0
  threads: int = 0
  bits: int = 8
  channels: int = 3
  bands: Sequence[int] = ()
  show_bands: Sequence[int] = ()
  colours: Colours = IMAGENET
  on_bad_image: str = "error"

  @classmethod
  def of(cls, config: ml_collections.ConfigDict) -> "Loading":
    """Returns what a config says that has `eval_batch_size`."""
    return cls(
      config.batch_size,
      config.eval_batch_size,
      seed=config.seed,
      threads=config.threads,
      bits=config.bits,
      channels=config.get("channels", 3),
      bands=tuple(config.get("bands", ())),
      show_bands=tuple(config.get("show_bands", ())),
      colours=colours_of(config),
      on_bad_image=config.on_bad_image,
    )

  @property
  def pixels(self) -> dict[str, Any]:
    """What an image is decoded to, as what decodes it takes it."""
    return {"channels": self.channels, "bits": self.bits, "bands": self.bands}

  def decode(self) -> Transform:
    """Returns what decodes an image."""
    return decode(**self.pixels)

  @property
  def shown(self) -> tuple[int, ...]:
    """The bands of a file that pictures show; () for its first."""
    return tuple(
      self.show_bands or self.bands[: 3 if len(self.bands) > 2 else 1]
    )

  @property
  def shown_decoded(self) -> tuple[int, ...]:
    """The same, as they are numbered once they are decoded."""
    return as_decoded(self.show_bands, self.bands)

  def train(
    self,
    source: Source,
    transforms: Sequence[Transform] = (),
    *,
    num_classes: int | None = None,
    order: Epoch | None = None,
  ) -> Loader:
    """Returns a loader that visits each epoch in an order of its own.

    Or in that which `order` gives, see `Loader`.
    """
    return self._loader(
      *(source, transforms, self.batch_size, num_classes, True), order
    )

  def evaluation(
    self,
    source: Source,
    transforms: Sequence[Transform] = (),
    *,
    num_classes: int | None = None,
  ) -> Loader:
    """Returns a loader in the source's order."""
    size = self.eval_batch_size
    return self._loader(source, transforms, size, num_classes, False)

  def _loader(
    self,
    source: Source,
    transforms: Sequence[Transform],
    size: int,
    num_classes: int | None,
    shuffle: bool,
    order: Epoch | None = None,
  ) -> Loader:
    return Loader(
      source,
      transforms,
      batch_size=size,
      seed=self.seed,
      shuffle=shuffle,
      order=order,
      threads=self.threads or None,
      on_bad_image=self.on_bad_image,
      num_classes=num_classes,
    )
