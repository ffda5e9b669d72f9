"""Images that could not be decoded and were left out, counted."""

import numpy as np
from jax.experimental.multihost_utils import process_allgather

from vision_jax.core.types import Batches
from vision_jax.experiment import Experiment


def skipped_names(experiment: Experiment) -> tuple[str, ...]:
  """Returns the images that this process has met and skipped so far."""
  names = (name for x in _skipping(experiment) for name in x.skipped_names)
  return tuple(dict.fromkeys(names))


def count_skipped(experiment: Experiment) -> dict[str, float]:
  """Returns `data/skipped`, or nothing where a bad image is an error.

  Of several processes, which all have to call it, the counts are added; an
  image that two of them have met in turn counts twice.
  """
  if not _skipping(experiment):
    return {}
  count = np.int32(len(skipped_names(experiment)))
  return {"data/skipped": float(process_allgather(count).sum())}


def _skipping(experiment: Experiment) -> list[Batches]:
  evals = [data.data for data in experiment.evals.values()]
  loaders = [experiment.train_data, *evals]
  return [x for x in loaders if getattr(x, "on_bad_image", "") == "skip"]
