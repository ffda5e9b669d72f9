"""Predictions on a folder of images."""

import dataclasses
from typing import TYPE_CHECKING

from vision_jax.command.flags import option
from vision_jax.command.options import OfWorkdir, Say
from vision_jax.errors import UserError

if TYPE_CHECKING:  # it imports jax
  from vision_jax.recipe.recipe import Recipe
  from vision_jax.recipe.saved import Shapes


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mode(OfWorkdir):
  """Predicts on a folder of images, one line of predictions.jsonl each."""

  images: str | None = option(None, "Folder of images.", path=True)
  output: str | None = option(None, "Folder of the results.", path=True)
  writer: str | None = option(
    None,
    "Form of the results: a file of vision_jax/writers, such as classes, "
    "masks, boxes or probs; by default what the config says.",
  )

  def check(self) -> None:
    """Refuses to begin without images, or a place for what is predicted."""
    super().check()
    if not (self.images and self.output):
      raise UserError(
        "--mode=predict needs --images=FOLDER and --output=FOLDER."
      )

  def run(self, recipe: "Recipe", batch: "Shapes | None", say: Say) -> int:
    """Predicts; the writer named, or the config's, says in which form."""
    self.trained(recipe, batch, say).predict_folder(
      self.images,
      self.output,
      on_bad_image=recipe.config.on_bad_image,
      writer=self.writer,
    )
    return 0
