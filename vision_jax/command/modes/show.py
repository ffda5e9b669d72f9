"""The values that a config gives."""

import dataclasses
from typing import TYPE_CHECKING

from vision_jax.command.options import Configured, Log

if TYPE_CHECKING:  # it imports jax
  from vision_jax.recipe.recipe import Recipe
  from vision_jax.recipe.saved import Shapes


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mode(Configured):
  """Prints the values that training would have, and what gave each."""

  starts = False

  @property
  def needs_workdir(self) -> bool:
    """Whether there is no config file that values could be of."""
    return not self.config

  def run(self, recipe: "Recipe", batch: "Shapes | None", log: Log) -> int:
    """Prints a line a value."""
    del batch, log
    from vision_jax.recipe.show import show

    print(show(recipe, self.overrides, self.workdir))
    return 0
