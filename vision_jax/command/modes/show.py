"""The values that a config gives."""

import dataclasses
from typing import TYPE_CHECKING

from vision_jax.command.options import Configured, Log
from vision_jax.errors import UserError

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

  def load(self, log: Log) -> tuple["Recipe", "Shapes | None"]:
    """Loads the values; without what the data say where they are not given."""
    from vision_jax.recipe import automatic, recipe

    try:
      return super().load(log)
    except UserError as error:
      if self.workdir:
        raise
      # Raises what the flags are refused for, whatever the data are.
      name = automatic.to_begin(self.config, lambda line: None)
      found = recipe.load(name, self.overrides, resolve=False)
      log(f"Without what the data say: {error}")
      return found, None

  def run(self, recipe: "Recipe", batch: "Shapes | None", log: Log) -> int:
    """Prints a line a value."""
    del batch, log
    from vision_jax.recipe.show import show

    print(show(recipe, self.overrides, self.workdir))
    return 0
