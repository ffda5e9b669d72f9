"""What a trained net looks at."""

import dataclasses
from typing import TYPE_CHECKING

from vision_jax.command.flags import option
from vision_jax.command.options import Log, OfWorkdir
from vision_jax.errors import UserError
from vision_jax.explain import METHODS

if TYPE_CHECKING:  # it imports jax
  from vision_jax.recipe.recipe import Recipe
  from vision_jax.recipe.saved import Shapes


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mode(OfWorkdir):
  """Draws what a net looks at over each image, at the image's own size."""

  images: str | None = option(
    None,
    "An image, a folder, a pattern in quotes ('DIR/**/*.jpg'), or a .txt list; "
    "none for filters.",
    path=True,
  )
  output: str | None = option(None, "Folder of the results.", path=True)
  method: str = option(
    "gradcam",
    "gradcam: where the evidence of a class is; attention: which places the "
    "tokens of a vision transformer come from; filters: the first "
    "convolution's; features: what a layer makes of an image.",
    choices=METHODS,
  )
  layer: str = option(
    "",
    "Of gradcam, by default the last map; of features, the first; of filters, "
    "the first convolution. Such as conv4_3 or block11/norm1.",
  )
  label: str | None = option(
    None, "Of gradcam: a class's name or number; by default the predicted one."
  )

  def check(self) -> None:
    """Refuses to begin without images, or a place for what is drawn."""
    super().check()
    if not self.output or not (self.images or self.method == "filters"):
      raise UserError(
        "--mode=explain needs --images=IMAGES and --output=FOLDER; "
        "--method=filters needs no images."
      )
    if self.label is not None and self.method != "gradcam":
      raise UserError(
        f"--label is of --method=gradcam; leave it out of {self.method}."
      )

  def run(self, recipe: "Recipe", batch: "Shapes | None", log: Log) -> int:
    """Draws; lists the images that could not be read."""
    import jax

    from vision_jax.explain.folder import (
      explain_folder,
      read_class,
      write_filters,
    )
    from vision_jax.explain.net import Choice

    trained = self.trained(recipe, batch, log)
    experiment = trained.experiment
    if experiment.predict is None:
      raise UserError(
        "--mode=explain: this config's Experiment has no `predict`, which says "
        "what images go through."
      )
    choice = Choice(self.layer, read_class(experiment.predict, self.label))
    given = (experiment, jax.device_get(trained.weights()))
    if self.method == "filters":
      write_filters(*given, trained.batch, self.output, choice, log=log)
    else:
      explain_folder(
        *(*given, self.images, self.output, self.method, choice), log=log
      )
    return 0
