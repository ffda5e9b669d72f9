"""What a run's metrics follow from, and what of it is another by now."""

import dataclasses
import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from vision_jax.core.types import Batches


@dataclasses.dataclass(frozen=True)
class Parts:
  """Hashes of what a run is made of, as its manifest keeps them.

  Attributes:
    data: fingerprint of each data set.
    batches: hash of each data set's first batch, as the host makes it: what
      is read, cropped and scaled there.
    files: SHA-256 of the config file and of each file of ours that it imports.
    fixed: fingerprint of the weights of each fixed net.
  """

  data: Mapping[str, str] = dataclasses.field(default_factory=dict)
  batches: Mapping[str, str] = dataclasses.field(default_factory=dict)
  files: Mapping[str, str] = dataclasses.field(default_factory=dict)
  fixed: Mapping[str, str] = dataclasses.field(default_factory=dict)


def describe(
  evals: Mapping[str, Batches],
  files: Mapping[str, str],
  train: Batches | None = None,
  batch: Mapping[str, np.ndarray] | None = None,
) -> Parts:
  """Returns the parts of a run, or of an evaluation alone.

  Args:
    evals: data set of each evaluation, over all processes.
    files: hash by name.
    train: the run's training data.
    batch: its first one, where it is at hand; it counts if it is whole.
  """
  data = {name: loader.fingerprint() for name, loader in evals.items()}
  batches = {
    name: hash_batch(next(iter(loader.epoch())))
    for name, loader in evals.items()
  }
  if train is not None and "train" not in evals:
    if batch is None or len(batch["mask"]) != train.batch_size:
      batch = train.batch(0)
    data = {"train": train.fingerprint()} | data
    batches = {"train": hash_batch(batch)} | batches
  return Parts(data, batches, files)


def hash_batch(batch: Mapping[str, np.ndarray]) -> str:
  """Returns a short hash of a batch's names, types, shapes and values."""
  found = hashlib.sha256()
  for name in sorted(batch):
    x = np.ascontiguousarray(batch[name])
    found.update(f"{name} {x.dtype} {x.shape} ".encode())
    found.update(x.data)
  return found.hexdigest()[:16]


def differences(last: Mapping[str, Any], now: Parts) -> list[str]:
  """Names what differs from an entry of a manifest: data, then batches, files.

  Data whose files have changed are not named for their batches again. What the
  entry does not tell of is as it was.
  """
  parts = {f.name: last.get(f.name) for f in dataclasses.fields(Parts)}
  then = Parts(
    **{k: x if isinstance(x, dict) else {} for k, x in parts.items()}
  )
  unlike = lambda old, new: [k for k in new if old.get(k, new[k]) != new[k]]
  data = unlike(then.data, now.data)
  batches = [k for k in unlike(then.batches, now.batches) if k not in data]
  files = unlike(then.files, now.files)
  gone = [k for k in then.files if now.files and k not in now.files]
  return [
    *(f"the files of the data {name!r}" for name in data),
    *(f"the first batch of {name!r}" for name in batches),
    *files,
    *(f"{name} (gone)" for name in gone),
  ]
