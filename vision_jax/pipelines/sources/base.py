"""What every data set by name is: a source for each of its splits."""

import abc
import functools
import logging
from collections.abc import Sequence

from vision_jax.data.source import Source
from vision_jax.errors import UserError

_LOG = logging.getLogger(__name__)


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

  def _stand_in(self) -> str:
    """What the data are where no file of one's own is read; else ""."""
    return ""

  def _given(self) -> dict[str, str]:
    """Folders and files of one's own, by the keys of a config."""
    keys = ("data_dir", "images", "masks", "depths")
    values = {key: getattr(self, key, "") for key in keys}
    return {k: x for k, x in values.items() if isinstance(x, str) and x}

  def open(self, split: str) -> Source:
    """Returns the source of one split.

    Logs which of one's own data are not used, where the split is "train".

    Raises:
      UserError: if there is none of this name.
    """
    known = self.split_names()
    if split not in known:
      raise UserError(
        f"split: got {split!r}; expected one of {', '.join(known)}."
      )
    if split == "train" and (what := self._stand_in()):
      _log_unused(what, self._given())
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


def _log_unused(stand_in: str, given: dict[str, str]) -> None:
  if given:
    _LOG.warning(
      "%s: not used. The data are %s; to use your own, leave out `:tiny`, name "
      "another --config.dataset, or take a config that reads folders.",
      " ".join(f"--config.{key}={path}" for key, path in given.items()),
      stand_in,
    )
