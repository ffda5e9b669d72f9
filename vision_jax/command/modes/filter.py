"""What filters of before learning make of images."""

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
  """Draws each image beside what filters make of it, at its own size.

  With --workdir a net's first convolution is drawn beside them.
  """

  needs_workdir = False

  images: str | None = option(
    None,
    "An image, a folder, a pattern in quotes ('DIR/**/*.jpg'), or a .txt list.",
    path=True,
  )
  output: str | None = option(None, "Folder of the results.", path=True)
  filters: str = option(
    "sobel,canny",
    "With commas between: identity, shift, gaussian, unsharp; sobel, canny; "
    "and the strongest of eight directions of kirsch, prewitt, robinson.",
  )
  sigma: float = option(
    1.0, "Of gaussian, unsharp and canny, in pixels.", low=0
  )
  low: float = option(
    0.1, "Of canny: the least gradient of an edge's pixels.", low=0
  )
  high: float = option(
    0.2, "Of canny: what one of an edge's pixels has at least.", low=0
  )

  def check(self) -> None:
    """Refuses to begin without images, or a place for what is drawn."""
    super().check()
    if not (self.images and self.output):
      raise UserError(
        "--mode=filter needs --images=IMAGES and --output=FOLDER."
      )
    if self.overrides and not self.workdir:
      raise UserError("--config.KEY is of a workdir's config; give --workdir.")

  def load(self, log: Log) -> tuple["Recipe", "Shapes | None"]:
    """Returns the workdir's config, if there is one."""
    from vision_jax.recipe import recipe

    return super().load(log) if self.workdir else (recipe.of_nothing(), None)

  def run(self, recipe: "Recipe", batch: "Shapes | None", log: Log) -> int:
    """Draws; lists the images that could not be read."""
    import jax

    from vision_jax.explain.fixed import Settings, filter_folder, read_filters
    from vision_jax.explain.folder import learned_filters
    from vision_jax.explain.net import Choice

    names = read_filters(self.filters)
    settings = Settings(self.sigma, self.low, self.high)
    learned = None
    if self.workdir:
      trained = self.trained(recipe, batch, log)
      weights = jax.device_get(trained.weights())
      learned = learned_filters(
        trained.experiment, weights, trained.batch, Choice()
      )
    filter_folder(
      self.images, self.output, names, settings, learned=learned, log=log
    )
    return 0
