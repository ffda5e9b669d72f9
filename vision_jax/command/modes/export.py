"""A trained net in the files of others."""

import dataclasses
import pathlib
from typing import TYPE_CHECKING, Any

from vision_jax import paths
from vision_jax.command.flags import option
from vision_jax.command.options import Log, OfWorkdir
from vision_jax.errors import UserError
from vision_jax.export import FORMATS, PLATFORMS

if TYPE_CHECKING:  # it imports jax
  from vision_jax.recipe.recipe import Recipe
  from vision_jax.recipe.saved import Shapes


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mode(OfWorkdir):
  """Writes a trained net as a folder of safetensors, StableHLO, ONNX or HF.

  What is written is read again and compared with the net, on images, before
  the folder is there.
  """

  format: str | None = option(
    None,
    "safetensors: the weights alone, which --init_from reads; stablehlo: a "
    "program of any batch size for jax alone, weights inside; onnx: the same "
    "for onnxruntime; huggingface: a folder with a model card.",
    choices=FORMATS,
  )
  output: str | None = option(
    None, "Folder to write, which is not there yet.", path=True
  )
  images: str | None = option(
    None,
    "Images to compare on, the first of them, as --mode=predict takes them; by "
    "default scikit-learn's photographs.",
    path=True,
  )
  platforms: str = option(
    "cpu,cuda,tpu",
    f"Of stablehlo: what it is to run on, out of {', '.join(PLATFORMS)}.",
  )
  license: str = option(
    "unknown",
    "Of huggingface: an identifier such as apache-2.0, for the model card.",
  )

  def check(self) -> None:
    """Refuses to begin without a format, or a place for it."""
    super().check()
    if not (self.format and self.output):
      raise UserError(
        "--mode=export needs --format=FORMAT and --output=FOLDER; formats are "
        f"{', '.join(FORMATS)}."
      )

  def run(self, recipe: "Recipe", batch: "Shapes | None", log: Log) -> int:
    """Exports; says what was written, and how far it is from the net."""
    from vision_jax.export.options import How, read_platforms
    from vision_jax.export.run import export

    name = pathlib.Path(self.workdir).name
    how = How(read_platforms(self.platforms), self.license, name, log)
    line = export(
      self.trained(recipe, batch, log),
      *(self.format, self.output, how),
      images=self.images,
      **_public(recipe),
    )
    log(line)
    return 0


def _public(recipe: "Recipe") -> dict[str, Any]:
  """Returns what of a recipe others may see: no place of this machine."""
  import json

  values = json.loads(recipe.config.to_json())
  path = pathlib.PurePath(recipe.path)
  return {
    "config": path.name if path.is_absolute() else path.as_posix(),
    "variant": recipe.variant,
    "values": {k: x for k, x in values.items() if k not in paths.CONFIG_KEYS},
  }
