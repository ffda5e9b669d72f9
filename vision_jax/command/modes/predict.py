"""Predictions on images of one's own."""

import dataclasses
from typing import TYPE_CHECKING, ClassVar

from vision_jax.command.flags import option
from vision_jax.command.options import Log, OfWorkdir
from vision_jax.errors import UserError
from vision_jax.inference.given import AUTO, read_formats, read_threshold

if TYPE_CHECKING:  # it imports jax
  from vision_jax.inference.results import Formats
  from vision_jax.recipe.recipe import Recipe
  from vision_jax.recipe.saved import Shapes


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mode(OfWorkdir):
  """Predicts on images, one line of predictions.jsonl each."""

  images: str | None = option(
    None,
    "An image, a folder, a pattern in quotes ('DIR/**/*.jpg'), a .txt list, or "
    "a video (.mp4 .avi .mov .mkv .webm).",
    path=True,
  )
  output: str | None = option(None, "Folder of the results.", path=True)
  format: str | None = option(
    None,
    "Files of vision_jax/writers, with commas between, such as overlay,coco or "
    "masks,probs; by default what the config says.",
  )
  every: int = option(
    1, "Of a video: of so many frames the first is predicted.", low=1
  )
  tile: int | None = option(
    None,
    "Of large images: the net sees windows of so many pixels a side, and their "
    "boxes and masks are put together. Best what the net's images have.",
    low=1,
  )
  overlap: int | None = option(
    None,
    "Of windows: pixels that neighbours share, best the size of an object; by "
    "default an eighth of --tile.",
    low=0,
  )
  threshold: str = option(
    AUTO,
    "From which score on a box counts, or of two classes the second is "
    "predicted; auto: the one of the best F1 (of masks Dice) on val.",
  )

  name: ClassVar[str] = "predict"

  def check(self) -> None:
    """Refuses to begin without images, or a place for what is predicted."""
    super().check()
    if not (self.images and self.output):
      raise UserError(
        f"--mode={self.name} needs --images=IMAGES and --output=FOLDER."
      )
    read_threshold(self.threshold)
    if self.overlap is not None and self.tile is None:
      raise UserError(
        f"--overlap: got {self.overlap} without --tile, whose windows would "
        "overlap. Give both, or neither."
      )

  def run(self, recipe: "Recipe", batch: "Shapes | None", log: Log) -> int:
    """Predicts, in the formats named, or the config's."""
    from vision_jax.inference.windows import Tiling

    tiling = Tiling(self.tile, self.overlap) if self.tile else None
    self.trained(recipe, batch, log).predict_folder(
      self.images,
      self.output,
      on_bad_image=self._on_bad_image(recipe),
      formats=self.writers(),
      threshold=read_threshold(self.threshold),
      every=self.every,
      tiling=tiling,
    )
    return 0

  def writers(self) -> "Formats | None":
    """Returns the formats named; None for the config's."""
    return read_formats(self.format)

  def _on_bad_image(self, recipe: "Recipe") -> str:
    """What is done about unreadable images: left out, unless it is given.

    The config's value is that of training, where one is an error by default.
    """
    given = "on_bad_image" in self.overrides
    return recipe.config.on_bad_image if given else "skip"
