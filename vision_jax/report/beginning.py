"""What a run says before its first step: parameters, data, devices, types."""

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

import jax

from vision_jax.experiment import Experiment


def beginning(
  experiment: Experiment,
  params: Mapping[str, Any],
  values: Mapping[str, object],
  devices: int,
) -> list[str]:
  """Returns lines that say what is trained, on what, and where.

  Args:
    experiment: gives the data.
    params: the parameters of each net, arrays or shapes.
    values: the config's values; empty where there is none.
    devices: the devices of all processes.
  """
  kind = jax.devices()[0].device_kind
  kinds = sorted({str(x.dtype) for x in jax.tree.leaves(params)})
  computing = values.get("dtype", "the type that the model says")
  return [
    *parameters(params),
    f"Data: {', '.join(_data(experiment))}",
    f"Devices: {devices} {kind}{'s' * (devices > 1)}",
    f"Precision: parameters {', '.join(kinds)}; computed in {computing}",
  ]


def parameters(params: Mapping[str, Any]) -> list[str]:
  """Returns a line for each net and each of its parts, with their counts.

  Parts that differ by a number at their end are one line: `block* (12)`.
  """
  lines = []
  for net, tree in params.items():
    lines.append(f"Parameters of {net}: {_count(tree):,}")
    parts: dict[str, dict[str, int]] = {}
    for name, part in tree.items():
      alike = parts.setdefault(re.sub(r"\d+$", "*", name), {})
      alike[name] = _count(part)
    counted = {
      f"{name} ({len(c)})" if len(c) > 1 else next(iter(c)): sum(c.values())
      for name, c in parts.items()
    }
    width = max(map(len, counted), default=0)
    lines += [f"  {n:<{width}}  {c:>13,}" for n, c in counted.items()]
  return lines


def _data(experiment: Experiment) -> Iterable[str]:
  train = experiment.train_data
  yield f"train {_examples(train)} in batches of {train.batch_size}"
  for name, data in experiment.evals.items():
    yield f"{name} {_examples(data.data)}"


def _examples(data: Any) -> str:
  """How many examples a loader reads, where it says so."""
  source = getattr(data, "source", None)
  return f"{len(source):,} images" if hasattr(source, "__len__") else "images"


def _count(tree: Any) -> int:
  return sum(math.prod(x.shape) for x in jax.tree.leaves(tree))
