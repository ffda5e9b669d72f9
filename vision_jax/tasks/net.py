"""A net of a task: how its parameters begin and how it is run."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import flax.linen as nn

from vision_jax.core.types import Array, Batch, Nets
from vision_jax.errors import UserError

NET = "model"  # of a task that has one net


@dataclasses.dataclass(frozen=True)
class Net:
  """A module, and its name among the parameters and statistics.

  Attributes:
    module: `(*inputs, train=...)`; what it keeps besides parameters are its
      statistics, and its noise is of the collection "dropout".
    name: key into `Nets`.
  """

  module: nn.Module
  name: str = NET

  def init(self, key: Array, *inputs: Array | None) -> tuple[Nets, Nets]:
    """Returns the parameters and the statistics, of this net alone."""
    variables = dict(self.module.init(key, *inputs, train=False))
    return {self.name: variables.pop("params")}, {self.name: variables}

  def given(self, params: Nets, stats: Nets) -> Callable[..., Any]:
    """Returns the net as a function, which leaves the statistics alone.

    It takes what the module's `apply` does after the variables: inputs,
    `train=False` where the module asks for it, `method="encode"`.
    """
    own = {"params": params[self.name], **stats.get(self.name, {})}
    return functools.partial(self.module.apply, own)

  def run(
    self,
    params: Nets,
    stats: Nets,
    *inputs: Array | None,
    key: Array,
    train: bool,
    **options: Any,
  ) -> tuple[Any, Nets]:
    """Runs the net in an objective.

    Args:
      params: the parameters of all nets.
      stats: the statistics of all nets.
      *inputs: of the module.
      key: dropout's key, where the net trains.
      train: whether it trains: then there is noise, and statistics move.
      **options: of the module, such as `mask`.

    Returns:
      The module's outputs, and the statistics of all nets, its own new.
    """
    net = self.given(params, stats)
    if not train:
      return net(*inputs, train=False, **options), stats
    mutable = list(stats.get(self.name, {}))
    out, new = net(
      *inputs, train=True, mutable=mutable, rngs={"dropout": key}, **options
    )
    return out, {**stats, self.name: new}


def heads(
  out: Array | dict[str, Array], train: bool, auxiliary: float
) -> list[Array]:
  """Returns the logits, and in training those of auxiliary heads after them.

  Args:
    out: logits, or {"logits": ..., ...} of which the others are such heads'.
    train: whether the net trains: else there is no such head.
    auxiliary: the weight that a task gives each one's loss; 0 for none.

  Raises:
    UserError: for heads without a weight, or a weight without heads.
  """
  several = isinstance(out, dict)
  if train and several != bool(auxiliary):
    have = "has auxiliary heads" if several else "has no auxiliary heads"
    raise UserError(
      f"auxiliary: got {auxiliary}, and the model {have}; expected their "
      "weight, such as 0.3, just where its field auxiliary is True."
    )
  if not several:
    return [out]
  return [out["logits"], *(x for n, x in out.items() if n != "logits")]


class OneNet:
  """A task of one net, the field `model`, that images initialise.

  Or what else of a batch `sees` names.
  """

  model: nn.Module
  sees = "image"

  @property
  def net(self) -> Net:
    """The model, under the name of an only net."""
    return Net(self.model)

  def init(self, key: Array, batch: Batch) -> tuple[Nets, Nets]:
    """Returns the model's parameters and its statistics, if it has any."""
    return self.net.init(key, batch[self.sees])
