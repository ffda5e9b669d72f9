"""What the configs of generators share: data, what samples meet, pictures."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from configs.data import GREY, small_images
from vision_jax.core.types import Inputs, Metric
from vision_jax.data.loader import Loader
from vision_jax.data.subsets import subset
from vision_jax.errors import UserError
from vision_jax.experiment import Eval
from vision_jax.metrics.generation import SampleQuality
from vision_jax.metrics.generation_extractor import Extractor
from vision_jax.metrics.generation_scores import Recognised
from vision_jax.viz.grid import grid
from vision_jax.viz.pixels import to_unit

SHOWN, COLUMNS = 40, 10


class Images(NamedTuple):
  """Loaders of train and test, and what brings pixels into their range."""

  train: Loader
  test: Loader
  inputs: Inputs


def unit_images(config: Any, names: Sequence[str]) -> Images:
  """Returns images whose pixels are in [0, 1] after `inputs`."""
  return _images(config, ((0.0,), (1.0,)), names)


def signed_images(config: Any, names: Sequence[str]) -> Images:
  """Returns images whose pixels are in [-1, 1] after `inputs`."""
  return _images(config, GREY, names)


def _images(config: Any, colours: Any, names: Sequence[str]) -> Images:
  data = small_images(config, colours, names)
  return Images(data.train_data, data.evals["test"].data, data.inputs)


def first_examples(loader: Loader, number: int) -> Loader:
  """Returns a loader of the first examples; 0 is all."""
  if not number:
    return loader
  source = subset(loader.source, np.arange(number))
  return Loader(source, loader.transforms, loader.batch_size, shuffle=False)


def sample_evals(
  config: Any,
  images: Images,
  output: Callable[..., Any],
  extractor: Extractor,
  *,
  recognised: bool,
) -> dict[str, Eval]:
  """Returns the evaluation of samples of the averaged weights.

  One sample for each of the first `eval_examples` test images (0 is all),
  against these: `test/ema/frechet_<extractor>`, and `recognised`, the share
  that the extractor takes for its class. With `config.real` "train" against all
  training images instead, as published figures are: `train_set/ema/...`.

  Args:
    config: with real, eval_batch_size and eval_examples.
    images: of train and test.
    output: (params, stats, batch, key) -> dict with `image`.
    extractor: what samples are looked at through.
    recognised: whether to tell it; of class-conditional generators.
  """
  train, test, _ = images
  metrics: dict[str, Metric] = {"quality": SampleQuality(extractor)}
  if recognised:
    metrics["recognised"] = Recognised(extractor)
  if config.real == "train":
    size, transforms = config.eval_batch_size, train.transforms
    name, data = (
      "train_set",
      Loader(train.source, transforms, size, shuffle=False),
    )
  elif config.real == "test":
    name, data = "test", first_examples(test, config.eval_examples)
  else:
    raise UserError(f"real: got {config.real!r}; expected 'test' or 'train'.")
  return {
    name: Eval(
      data, metrics, output=output, weights=("ema",), pictures=signed_samples
    )
  }


def reconstructions(batch: Any, out: Mapping[str, Any]) -> dict[str, Any]:
  """Rows of ten images, each above a row of their reconstructions."""
  pairs = [to_unit(batch["image"][:SHOWN]), to_unit(out["image"][:SHOWN])]
  rest = ((0, -len(pairs[0]) % COLUMNS), (0, 0), (0, 0), (0, 0))
  pairs = [np.pad(image, rest, constant_values=1) for image in pairs]
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
