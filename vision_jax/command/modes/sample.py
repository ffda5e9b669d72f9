"""Samples of a trained generator."""

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING

from vision_jax.command.flags import keyed, option
from vision_jax.command.options import Log, OfWorkdir
from vision_jax.errors import UserError

if TYPE_CHECKING:  # it imports jax
  from vision_jax.recipe.recipe import Recipe
  from vision_jax.recipe.saved import Shapes


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mode(OfWorkdir):
  """Draws images from a generator: single files, a grid and an npz."""

  output: str | None = option(None, "Folder of the results.", path=True)
  num_samples: int = option(64, "How many images.", low=1)
  label: int | None = option(None, "Class of all images; in turn by default.")
  seed: int = option(0, "Of the noise.", low=0, high=2**32 - 1)
  nearest: int = option(
    0,
    "Show so many of the training images nearest to each sample, and compare "
    "the distances with those of held-out images.",
    low=0,
  )
  video: float = option(
    0.0, "Write the images as a video, so many a second.", low=0
  )
  along: bool = option(
    False,
    "Draw the same noise by every checkpoint that is kept, as one picture and "
    "a video.",
  )
  sample: Mapping[str, str] = keyed(
    "sample",
    "Set an option of how the config's task samples: sampler, steps, "
    "guidance and eta of a diffusion model, solver, steps, guidance and "
    "spacing of flow matching; temperature of a normalizing flow; interpolate "
    "of that, a VAE or a GAN, images in a row from one draw to the next; "
    "traverse of an autoencoder, a VAE or a GAN, images in a row along one "
    "value of the code, a row for each; prompt of a condition by text.",
  )

  def check(self) -> None:
    """Refuses to begin without a place for the images."""
    super().check()
    if not self.output:
      raise UserError("--mode=sample needs --output=FOLDER.")
    if self.along and (self.nearest or self.checkpoint != "latest"):
      raise UserError(
        "--along draws by every checkpoint; leave out --nearest and "
        "--checkpoint."
      )

  def run(self, recipe: "Recipe", batch: "Shapes | None", log: Log) -> int:
    """Draws the images."""
    from vision_jax.inference.along import sample_along
    from vision_jax.inference.sample import read_options

    trained = self.trained(recipe, batch, log)
    how = {
      "num_samples": self.num_samples,
      "label": self.label,
      "seed": self.seed,
      "video": self.video,
      **read_options(trained.experiment.task, self.sample),
    }
    if self.along:
      sample_along(trained, self.output, log=log, **how)
    else:
      trained.sample_folder(self.output, nearest=self.nearest, **how)
    return 0
