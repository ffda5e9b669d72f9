"""A file that others have published, as a workdir."""

import dataclasses
import functools
from typing import TYPE_CHECKING

from vision_jax.command.flags import option
from vision_jax.command.options import Configured, Log
from vision_jax.errors import UserError

if TYPE_CHECKING:  # they import jax
  from vision_jax.inference.importing import Given
  from vision_jax.recipe.recipe import Recipe
  from vision_jax.recipe.saved import Shapes


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mode(Configured):
  """Writes a workdir with the weights of a published file.

  It is evaluated, probed, explained, exported and fine-tuned like any other.
  Its config is configs/TASK/imported.py, or the one that --config names.
  """

  needs_workdir = False
  cpu_tuning: str = option(
    "off",
    "The allocator of a training keeps what is freed: not of a large file.",
    choices=("auto", "off"),
  )

  source: str = option(
    "",
    "What the file is: SOURCE:MODEL, such as torchvision:resnet50; or "
    "huggingface, for a folder whose config.json says it.",
  )
  file: str = option(
    "",
    "The published file or folder: safetensors, .pth or .bin, npz, HDF5, ONNX; "
    "in the working folder, or in that of VISION_JAX_WEIGHTS. Or OWNER/NAME, a "
    "repository in Hugging Face's local cache. FILE::PART is one dict of "
    "several in it.",
  )
  download: bool = option(
    False, "Downloads a repository that is not in the cache; checks its hashes."
  )
  output: str = option("", "The workdir to write.", path=True)

  def check(self) -> None:
    """Refuses to begin without a source, a file or a place."""
    super().check()
    for name in ("source", "file", "output"):
      if not getattr(self, name):
        raise UserError(f"--{name} is missing; --help says what it is.")

  def load(self, log: Log) -> tuple["Recipe", "Shapes | None"]:
    """Opens the file, and returns the config of what it holds."""
    del log
    from vision_jax.inference import importing

    return importing.recipe_of(self._given, self.config, self.overrides), None

  def run(self, recipe: "Recipe", batch: "Shapes | None", log: Log) -> int:
    """Writes the workdir."""
    del batch
    from vision_jax.inference import importing

    importing.import_weights(self._given, recipe, self.output, log=log)
    return 0

  @functools.cached_property
  def _given(self) -> "Given":
    from vision_jax.inference.importing import Given

    return Given.of(self.source, self.file, download=self.download)
