"""What every data set by name is: a source for each of its splits."""

import abc
import functools
from collections.abc import Sequence

from vision_jax.data.source import Source
from vision_jax.errors import UserError


class DataSet(abc.ABC):
  """A data set by its name, with a source for each split.

  Touches its data where it is asked for names or splits that only they tell,
  and else where a source is first used.
  """

  @abc.abstractmethod
  def names(self) -> tuple[str, ...]:
    """Returns the names of the classes, as labels count them; () if unknown."""

  @abc.abstractmethod
  def split_names(self) -> Sequence[str]:
    """Returns the splits that there are: "train", and what is evaluated."""

  @abc.abstractmethod
  def _open(self, split: str) -> Source:
    """Opens one of the splits."""

  def open(self, split: str) -> Source:
    """Returns the source of one split.

    Raises:
      UserError: if there is none of this name.
    """
    known = self.split_names()
    if split not in known:
      raise UserError(
        f"split: got {split!r}; expected one of {', '.join(known)}."
      )
    return self._open(split)

  @functools.cached_property
  def train(self) -> Source:
    """What is trained on."""
    return self.open("train")

  @functools.cached_property
  def evals(self) -> dict[str, Source]:
    """What is evaluated, by the name of its split."""
    return {
      name: self.open(name) for name in self.split_names() if name != "train"
    }
