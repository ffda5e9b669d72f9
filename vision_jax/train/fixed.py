"""Fixed nets: weights from elsewhere that losses see and no step moves."""

import dataclasses
import hashlib
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from vision_jax.core.execution import Execution
from vision_jax.core.types import NO_NETS, HostBatch, Variables
from vision_jax.errors import UserError
from vision_jax.experiment import Experiment
from vision_jax.train.checkpoint import tree
from vision_jax.train.checkpoint.errors import CheckpointError
from vision_jax.train.checkpoint.parts import restore_part


@dataclasses.dataclass(frozen=True)
class Fixed:
  """The fixed nets of an experiment, where its steps run.

  Attributes:
    nets: (params, stats), placed as the state is.
    fingerprints: net -> hash of its arrays.
  """

  nets: Variables = NO_NETS
  fingerprints: Mapping[str, str] = dataclasses.field(default_factory=dict)

  @classmethod
  def load(
    cls,
    experiment: Experiment,
    execution: Execution,
    batch: HostBatch | Mapping[str, jax.ShapeDtypeStruct],
  ) -> "Fixed":
    """Reads the nets; `batch` gives the loader's shapes.

    Raises:
      CheckpointError: if weights are not there, or another net's.
    """
    make = lambda: experiment.initial_fixed(jax.random.key(0), batch)
    nets = execution.abstract(make) if experiment.fixed else NO_NETS
    for name, source in experiment.fixed.items():
      try:
        nets, _ = restore_part(source, name, nets)
      except CheckpointError as error:
        raise type(error)(
          f"fixed net {name!r}: {error} Where its file has moved, say "
          f"--fixed.{name}=PATH."
        ) from error
    both = {n: [x[n] for x in nets if n in x] for n in experiment.fixed}
    prints = {n: _fingerprint(net, execution) for n, net in both.items()}
    return cls(nets, prints)

  def check(self, before: Mapping[str, str]) -> None:
    """Refuses nets that are not those of a run before.

    Args:
      before: their fingerprints then.

    Raises:
      UserError: naming the first net that differs.
    """
    for name, now in self.fingerprints.items():
      if (old := before.get(name, now)) != now:
        raise UserError(
          f"fixed net {name!r}: its weights have the fingerprint {now}, and "
          f"those that the run in this workdir was trained with have {old}; "
          f"expected the same. Give the file that has them by --fixed.{name}="
          "PATH, or use another workdir for another run."
        )


def _fingerprint(net: Any, execution: Execution) -> str:
  """Returns a short hash of the names, types, shapes and values of arrays."""
  found = hashlib.sha256()
  for path, leaf in sorted(tree.named(net).items()):
    x = np.ascontiguousarray(execution.place(leaf))
    found.update(f"{'/'.join(path)} {x.dtype} {x.shape} ".encode())
    found.update(x.tobytes())
  return found.hexdigest()[:16]
