"""Predictions on images of one's own."""

import dataclasses
import math
from typing import TYPE_CHECKING

from vision_jax.command.flags import option
from vision_jax.command.options import OfWorkdir, Say
from vision_jax.errors import UserError

if TYPE_CHECKING:  # it imports jax
  from vision_jax.recipe.recipe import Recipe
  from vision_jax.recipe.saved import Shapes

AUTO = "auto"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mode(OfWorkdir):
  """Predicts on images, one line of predictions.jsonl each."""

  images: str | None = option(
    None,
    "An image, a folder (with those in it), a pattern in quotes ('DIR/*.jpg', "
    "** for any folders), or a .txt file with a path a line.",
    path=True,
  )
  output: str | None = option(None, "Folder of the results.", path=True)
  format: str | None = option(
    None,
    "Formats of the results, with commas between: files of vision_jax/writers, "
    "such as overlay, masks, coco, yolo, voc, csv or probs; by default what "
    "the config says.",
  )
  threshold: str = option(
    AUTO,
    "From which score on a box counts, or of two classes the second is "
    "predicted; auto: the one of the best F1 (of masks Dice) on val.",
  )

  def check(self) -> None:
    """Refuses to begin without images, or a place for what is predicted."""
    super().check()
    if not (self.images and self.output):
      raise UserError(
        "--mode=predict needs --images=IMAGES and --output=FOLDER."
      )
    self._threshold()

  def run(self, recipe: "Recipe", batch: "Shapes | None", say: Say) -> int:
    """Predicts, in the formats named, or the config's."""
    formats = self.format and [x.strip() for x in self.format.split(",")]
    self.trained(recipe, batch, say).predict_folder(
      self.images,
      self.output,
      on_bad_image=recipe.config.on_bad_image,
      formats=formats or None,
      threshold=self._threshold(),
    )
    return 0

  def _threshold(self) -> float | None:
    """Returns the score that is given, None for auto."""
    if self.threshold == AUTO:
      return None
    try:
      value = float(self.threshold)
    except ValueError:
      value = math.nan
    if not 0 <= value <= 1:
      raise UserError(
        f"--threshold: got {self.threshold!r}; expected a score from 0 to 1, "
        "or auto for the one that was best on val."
      )
    return value
