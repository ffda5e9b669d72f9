"""What a generator's net is given besides noise: a class, tokens, an image.

A condition reads it off a batch, knows what stands for nothing given (dropped
in training, what guidance extrapolates from), and makes it of what a user asks
samples for.
"""

import abc
import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from vision_jax.core.types import NO_NETS, Array, Batch, HostBatch, Variables
from vision_jax.errors import UserError
from vision_jax.tasks.net import Net


class Condition(abc.ABC):
  """What a net is given; `given`, `null` and `ask` are a condition's own.

  Attributes:
    asks: what samples can be asked for, as --sample.NAME=TEXT; and "label",
      which is the flag --label.
  """

  asks: ClassVar[Sequence[str]] = ()

  @abc.abstractmethod
  def given(self, batch: Batch) -> Any:
    """Returns arrays (b, ...) as a batch has them, before any net."""

  @abc.abstractmethod
  def null(self, given: Any) -> Any:
    """Returns, in the same shapes, what stands for nothing given."""

  @abc.abstractmethod
  def ask(
    self, number: int, wanted: Mapping[str, Any], *, row: int = 1
  ) -> HostBatch:
    """Returns what a batch has of so many samples, arrays (number, ...).

    Args:
      number: how many samples.
      wanted: what was asked for, out of `asks`, texts but the label.
      row: samples side by side that are given the same.

    Raises:
      UserError: if that cannot be given.
    """

  def init(self, key: Array, batch: Batch) -> Variables:
    """Returns the parameters and statistics of nets of its own."""
    del key, batch
    return NO_NETS

  def encode(self, params: Any, stats: Any, given: Any) -> Any:
    """Returns what the generator's net takes of what is given."""
    del params, stats
    return given

  def of(self, params: Any, stats: Any, batch: Batch) -> Any:
    """Returns what the generator's net takes of a batch."""
    return self.encode(params, stats, self.given(batch))


@dataclasses.dataclass(frozen=True)
class Unconditional(Condition):
  """Nothing is given, and nothing can be asked for."""

  def given(self, batch: Batch) -> None:
    """Returns None."""

  def null(self, given: None) -> None:
    """Returns None."""

  def ask(
    self, number: int, wanted: Mapping[str, Any], *, row: int = 1
  ) -> HostBatch:
    """Returns nothing."""
    return {}


@dataclasses.dataclass(frozen=True)
class ClassCondition(Condition):
  """The `label` int (b,) of a batch; num_classes stands for no class."""

  num_classes: int
  asks: ClassVar[Sequence[str]] = ("label",)

  def given(self, batch: Batch) -> Array:
    """Returns the classes (b,).

    Raises:
      UserError: if the batch has none.
    """
    return entry(batch, "label", "(b,)")

  def null(self, given: Array) -> Array:
    """Returns the label of no class."""
    return jnp.full_like(given, self.num_classes)

  def ask(
    self, number: int, wanted: Mapping[str, Any], *, row: int = 1
  ) -> HostBatch:
    """Returns the class asked for, or the classes in turn, a row of each."""
    k, label = self.num_classes, wanted.get("label")
    if label is None:
      return {"label": (np.arange(number) // row % k).astype(np.int32)}
    if not 0 <= label < k:
      raise UserError(
        f"--label: got {label}; expected 0 to {k - 1}, one of the {k} classes."
      )
    return {"label": np.full(number, label, np.int32)}


@dataclasses.dataclass(frozen=True)
class Encoded(Condition):
  """What a net makes of another condition: a text encoder, of tokens.

  The net is the task's, by its own name: a fixed one, mostly, where the
  experiment's `fixed` says its weights. One that is trained along with the
  generator is part of the generator's module instead.

  Attributes:
    condition: what the net is given.
    module: (given, *, train) -> arrays (b, ...).
    name: of the net, among parameters and statistics.
  """

  condition: Condition
  module: nn.Module
  name: str = "encoder"

  @property
  def asks(self) -> Sequence[str]:
    """Samples are asked for as of what the net is given."""
    return self.condition.asks

  def given(self, batch: Batch) -> Any:
    """Returns what the net is given."""
    return self.condition.given(batch)

  def null(self, given: Any) -> Any:
    """Returns what it is given for nothing."""
    return self.condition.null(given)

  def ask(
    self, number: int, wanted: Mapping[str, Any], *, row: int = 1
  ) -> HostBatch:
    """Returns what a batch has of samples."""
    return self.condition.ask(number, wanted, row=row)

  def init(self, key: Array, batch: Batch) -> Variables:
    """Returns the net's parameters, and those of what it is given."""
    inner = self.condition.init(jax.random.fold_in(key, 1), batch)
    own = self._net.init(key, self.condition.of(*inner, batch))
    return own[0] | inner[0], own[1] | inner[1]

  def encode(self, params: Any, stats: Any, given: Any) -> Any:
    """Returns what the net makes of it."""
    net = self._net.given(params, stats)
    return net(self.condition.encode(params, stats, given), train=False)

  @property
  def _net(self) -> Net:
    return Net(self.module, self.name)


class Conditional:
  """A task with the field `condition`, which where it is None is settled."""

  condition: Condition | None

  @property
  def num_classes(self) -> int:
    """Classes that samples can be asked for; 0 where they cannot."""
    return getattr(self.condition, "num_classes", 0)

  def _settle_condition(self, *nets: nn.Module) -> None:
    """Takes the class of nets that have `num_classes`, or else nothing.

    Raises:
      UserError: if the nets' classes differ, or are not the condition's.
    """
    classes = [getattr(net, "num_classes", 0) for net in nets]
    if len(set(classes)) > 1:
      pairs = zip(classes, nets, strict=True)
      got = " and ".join(f"{k} of {type(net).__name__}" for k, net in pairs)
      raise UserError(
        f"num_classes: got {got}; expected the same number of all nets."
      )
    number = classes[0]
    own = ClassCondition(number) if number else Unconditional()
    if self.condition is None:
      object.__setattr__(self, "condition", own)
    elif number and self.condition != own:
      raise UserError(
        f"condition: got {self.condition} and a net with num_classes={number}; "
        f"expected {own}, or num_classes=0 for another condition."
      )


def check_guidance(
  guidance: float, condition: Condition, drop_label: float
) -> None:
  """Checks that a model learned what guidance extrapolates from.

  Raises:
    UserError: for an unconditional model, and for one that was never trained
      without its condition.
  """
  if isinstance(condition, Unconditional):
    raise UserError(
      f"guidance: got {guidance} with an unconditional model; expected 1. "
      "Train with num_classes, or another condition, to guide."
    )
  if not drop_label:
    raise UserError(
      f"guidance: got {guidance} with a model trained with drop_label=0, which "
      "has never seen an image without its condition; expected 1. Train with "
      "drop_label=0.1 to guide."
    )


def dropped(condition: Condition, given: Any, keys: Array, share: float) -> Any:
  """Returns what is given, or for some examples what stands for nothing.

  Args:
    condition: knows what stands for nothing.
    given: arrays (b, ...).
    keys: (b,) one for each example, which alone decides it.
    share: of the examples, how many.
  """
  draw = lambda k: jax.random.bernoulli(
    jax.random.fold_in(k, 1), jnp.float32(share)
  )
  drop = jax.vmap(draw)(keys)

  def choose(null, x):
    return jnp.where(drop.reshape(-1, *[1] * (x.ndim - 1)), null, x)

  return jax.tree.map(choose, condition.null(given), given)


def entry(batch: Batch, key: str, shape: str) -> Array:
  """Returns what a batch has to have.

  Raises:
    UserError: if it does not.
  """
  if key in batch:
    return batch[key]
  what = "class-conditional" if key == "label" else "conditional"
  raise UserError(
    f"batch: got the keys {sorted(batch)}; a {what} model needs `{key}` "
    f"{shape}."
  )
