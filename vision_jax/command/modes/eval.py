"""Evaluation of a trained workdir."""

import dataclasses
from typing import TYPE_CHECKING

from vision_jax.command.options import Log, OfWorkdir

if TYPE_CHECKING:  # it imports jax
  from vision_jax.recipe.recipe import Recipe
  from vision_jax.recipe.saved import Shapes


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mode(OfWorkdir):
  """Prints the metrics of the config's data sets as one JSON object."""

  def run(self, recipe: "Recipe", batch: "Shapes | None", log: Log) -> int:
    """Evaluates; the metrics go to stdout and to the workdir."""
    import jax

    from vision_jax.files import to_json

    metrics = self.trained(recipe, batch, log).evaluate()
    if jax.process_index() == 0:
      print(to_json(metrics), flush=True)
    return 0
