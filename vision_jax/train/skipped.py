"""Images that could not be decoded and were left out, counted."""

import jax
import numpy as np

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
  count = len(skipped_names(experiment))
  if jax.process_count() > 1:
    from jax.experimental import multihost_utils

    count = multihost_utils.process_allgather(np.int32(count)).sum()
  return {"data/skipped": float(count)}


def _skipping(experiment: Experiment) -> list[Batches]:
  evals = [data.data for data in experiment.evals.values()]
  loaders = [experiment.train_data, *evals]
  return [x for x in loaders if getattr(x, "on_bad_image", "") == "skip"]
