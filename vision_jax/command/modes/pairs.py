"""Pairs of images to learn a translation of."""

import dataclasses
from typing import TYPE_CHECKING

from vision_jax.command.flags import option
from vision_jax.command.options import Configured, Log
from vision_jax.errors import UserError

if TYPE_CHECKING:  # it imports jax
  from vision_jax.recipe.recipe import Recipe
  from vision_jax.recipe.saved import Shapes


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mode(Configured):
  """Writes images with what a filter makes of them, in train, val and test.

  For --config.data_dir of configs/translation: a cartoon, a sketch or edges of
  each image is what a net is to learn.
  """

  starts = False
  needs_workdir = False

  images: str | None = option(
    None,
    "An image, a folder, a pattern in quotes ('DIR/**/*.jpg'), or a .txt list.",
    path=True,
  )
  output: str | None = option(None, "Folder of the pairs.", path=True)
  style: str = option(
    "cartoon", "What images become: cartoon, sketch or edges."
  )
  holdout: float = option(
    0.1, "Share of the images that is val, and as many test.", low=0
  )
  size: int = option(
    512, "Larger images are made smaller, to this short side; 0: none.", low=0
  )

  def check(self) -> None:
    """Refuses to begin without images, or a place for the pairs."""
    super().check()
    if not (self.images and self.output):
      raise UserError("--mode=pairs needs --images=IMAGES and --output=FOLDER.")
    if self.config or self.overrides:
      raise UserError(
        "--config: --mode=pairs trains nothing and takes none; leave it out."
      )

  def load(self, log: Log) -> tuple["Recipe", "Shapes | None"]:
    """Returns no config: nothing is trained."""
    del log
    from vision_jax.recipe import recipe

    return recipe.of_nothing(), None

  def run(self, recipe: "Recipe", batch: "Shapes | None", log: Log) -> int:
    """Writes the pairs; lists the images that could not be read."""
    del recipe, batch
    from vision_jax.inference.pairs import write_pairs

    write_pairs(
      self.images,
      self.output,
      self.style,
      holdout=self.holdout,
      size=self.size,
      log=log,
    )
    return 0
