"""What the configs of autoencoders, VAEs and GANs share: data and pictures."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from configs.data import small_images
from vision_jax.data.loader import Loader
from vision_jax.data.subsets import subset
from vision_jax.viz.grid import grid

SHOWN, COLUMNS = 40, 10


def unit_images(config: Any, names: Sequence[str]) -> tuple[Loader, Loader]:
  """Returns loaders of train and test, pixels in [0, 1]."""
  data = small_images(config, ((0.0,), (1.0,)), names)
  return data.train_data, data.evals["test"].data


def signed_images(config: Any, names: Sequence[str]) -> tuple[Loader, Loader]:
  """Returns loaders of train and test, pixels in [-1, 1]."""
  half = (0.5,) * config.channels
  data = small_images(config, (half, half), names)
  return data.train_data, data.evals["test"].data


def first_examples(loader: Loader, number: int) -> Loader:
  """Returns a loader of the first examples; 0 is all."""
  if not number:
    return loader
  return Loader(
    subset(loader.source, np.arange(number)),
    loader.transforms,
    loader.batch_size,
    shuffle=False,
  )


def reconstructions(batch: Any, out: Mapping[str, Any]) -> dict[str, Any]:
  """Rows of ten images, each above a row of their reconstructions."""
  pairs = [batch["image"][:SHOWN], np.clip(out["image"][:SHOWN], 0, 1)]
  rows = [
    image[i : i + COLUMNS]
    for i in range(0, len(pairs[0]), COLUMNS)
    for image in pairs
  ]
  return {"reconstructions": _enlarged(np.concatenate(rows))}


def unit_samples(batch: Any, out: Mapping[str, Any]) -> dict[str, Any]:
  """A grid of samples whose pixels are in [0, 1]."""
  del batch
  return {"samples": _enlarged(np.asarray(out["image"])[: 2 * SHOWN])}


def signed_samples(batch: Any, out: Mapping[str, Any]) -> dict[str, Any]:
  """A grid of samples whose pixels are in [-1, 1]."""
  return unit_samples(batch, {"image": (np.asarray(out["image"]) + 1) / 2})


def _enlarged(image: np.ndarray) -> np.ndarray:
  factor = max(1, 32 // image.shape[1])
  return grid(image.repeat(factor, 1).repeat(factor, 2), COLUMNS)
