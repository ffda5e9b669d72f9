"""Features of images of one's own."""

import dataclasses
from typing import TYPE_CHECKING

from vision_jax.command.flags import option
from vision_jax.command.options import Log, OfWorkdir
from vision_jax.errors import UserError

if TYPE_CHECKING:  # it imports jax
  from vision_jax.recipe.recipe import Recipe
  from vision_jax.recipe.saved import Shapes


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mode(OfWorkdir):
  """Writes what a layer of the net makes of each image, as an npz file."""

  images: str | None = option(
    None,
    "An image, a folder, a pattern in quotes ('DIR/**/*.jpg'), or a .txt list.",
    path=True,
  )
  output: str | None = option(
    None,
    "The file: names (n,), features (n, d) and unreadable, in a .npz.",
    path=True,
  )
  layer: str = option(
    "",
    "Whose output, such as conv4_3 or block11/mlp; by default what goes into "
    "the head. Maps and tokens become their means.",
  )

  def check(self) -> None:
    """Refuses to begin without images, or a file for the features."""
    super().check()
    if not (self.images and self.output):
      raise UserError(
        "--mode=features needs --images=IMAGES and --output=FILE.npz."
      )
    if not self.output.endswith(".npz"):
      raise UserError(
        f"--output: got {self.output}; expected a file that ends in .npz."
      )

  def run(self, recipe: "Recipe", batch: "Shapes | None", log: Log) -> int:
    """Writes the features."""
    from vision_jax.transfer.features import write_features

    trained = self.trained(recipe, batch, log)
    write_features(trained, self.images, self.output, layer=self.layer, log=log)
    return 0
