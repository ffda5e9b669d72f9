"""An image in the style of another one."""

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
  """Draws the content of one image in the style of another (Gatys et al.).

  Pixels descend what the maps of a trained VGG-19 differ in. Writes
  stylized.png, progress/STEP.png, sheet.png and stylized.json.
  """

  needs_workdir = False

  content: str | None = option(None, "The image to draw.", path=True)
  style: str | None = option(
    None, "The image whose style it is to have.", path=True
  )
  output: str | None = option(None, "Folder of the results.", path=True)
  weights_file: str = option(
    "",
    "Weights of VGG-19: torchvision's file, in the working folder or in that "
    "of VISION_JAX_WEIGHTS, or a workdir of --mode=import.",
  )
  random_features: bool = option(
    False,
    "Random filters in the place of VGG-19's: a demonstration that needs no "
    "weights, and no neural style.",
  )
  optimizer: str = option(
    "lbfgs", "What pixels descend by.", choices=("lbfgs", "adam")
  )
  steps: int = option(300, "How many steps.", low=1)
  every: int = option(
    50, "Steps from one image of progress to the next; 0: none.", low=0
  )
  size: int = option(
    512, "Larger images are made smaller, to this short side; 0: none.", low=0
  )
  content_weight: float = option(1.0, "Of the content's error.", low=0)
  style_weight: float = option(1e6, "Of the style's error.", low=0)
  variation_weight: float = option(
    0.0, "Of squared differences of neighbouring pixels.", low=0
  )
  lr: float = option(0.02, "Of --optimizer=adam, in pixels of [0, 1].", low=0)
  start: str = option(
    "content", "What pixels begin as.", choices=("content", "noise")
  )
  seed: int = option(0, "Of the noise.", low=0)
  pooling: str = option(
    "max",
    "Of VGG-19: max, as it was trained, or average, as in the paper.",
    choices=("max", "average"),
  )

  def check(self) -> None:
    """Refuses to begin without both images, a place, or weights."""
    super().check()
    if not (self.content and self.style and self.output):
      raise UserError(
        "--mode=stylize needs --content=IMAGE, --style=IMAGE and "
        "--output=FOLDER."
      )
    if self.config or self.overrides:
      raise UserError(
        "--config: --mode=stylize trains nothing and takes none; leave it out."
      )
    if self.weights_file and self.random_features:
      raise UserError(
        "--weights_file, --random_features: got both; expected one. Leave "
        "--random_features out."
      )
    if not (self.weights_file or self.random_features):
      raise UserError(
        "--weights_file: got none; content and style are compared by the maps "
        "of a VGG-19 that was trained on ImageNet; expected torchvision's file "
        "of it (vgg19-dcbb9e9d.pth), or a workdir that --mode=import "
        "--source=torchvision:vgg19 has made of that. --random_features takes "
        "random filters, a demonstration that is no neural style."
      )

  def load(self, log: Log) -> tuple["Recipe", "Shapes | None"]:
    """Returns no config: nothing is trained."""
    del log
    from vision_jax.recipe import recipe

    return recipe.of_nothing(convolutional=True), None

  def run(self, recipe: "Recipe", batch: "Shapes | None", log: Log) -> int:
    """Draws."""
    del recipe, batch
    from vision_jax.stylize.folder import stylize
    from vision_jax.stylize.net import style_net
    from vision_jax.stylize.pixels import Settings

    settings = Settings(
      content=self.content_weight,
      style=self.style_weight,
      variation=self.variation_weight,
      optimizer=self.optimizer,
      lr=self.lr,
      steps=self.steps,
      start=self.start,
      seed=self.seed,
    )
    stylize(
      self.content,
      self.style,
      self.output,
      lambda: style_net(self.weights_file, average=self.pooling == "average"),
      settings,
      size=self.size,
      every=self.every,
      log=log,
    )
    return 0
