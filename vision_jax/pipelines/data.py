"""What every pipeline shares: its loaders, and what it gives an experiment."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from vision_jax.core.types import Inputs
from vision_jax.data.loader import Loader
from vision_jax.experiment import Eval, Predict


@dataclasses.dataclass(frozen=True)
class Data:
  """What an experiment takes of a pipeline, by the names of its fields."""

  train_data: Loader
  evals: Mapping[str, Eval]
  inputs: Inputs
  predict: Predict | None = None
  augment: Callable[..., Any] | None = None

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
    seed: of the order, and of random transforms.
    threads: that read and transform; 0 is one for each core.
    bits: 8 or 16 a channel, to which pictures in files are decoded.
    on_bad_image: "error" or "skip", see `Loader`.
  """

  batch_size: int
  eval_batch_size: int
  seed: int = 0
  threads: int = 0
  bits: int = 8
  on_bad_image: str = "error"

  @classmethod
  def of(cls, config: Any) -> "Loading":
    """Returns what a config says that has `eval_batch_size`."""
    return cls(
      config.batch_size,
      config.eval_batch_size,
      seed=config.seed,
      threads=config.threads,
      bits=config.bits,
      on_bad_image=config.on_bad_image,
    )

  def train(
    self, source: Any, transforms: Sequence[Any] = (), **options: Any
  ) -> Loader:
    """Returns a loader that visits each epoch in an order of its own."""
    return self._loader(source, transforms, self.batch_size, **options)

  def evaluation(
    self, source: Any, transforms: Sequence[Any] = (), **options: Any
  ) -> Loader:
    """Returns a loader in the source's order."""
    size = self.eval_batch_size
    return self._loader(source, transforms, size, shuffle=False, **options)

  def _loader(
    self, source: Any, transforms: Sequence[Any], size: int, **options: Any
  ) -> Loader:
    return Loader(
      source,
      transforms,
      batch_size=size,
      seed=self.seed,
      threads=self.threads or None,
      on_bad_image=self.on_bad_image,
      **options,
    )
