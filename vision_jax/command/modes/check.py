"""What is in a folder of one's own data, without any training."""

import dataclasses
import pathlib
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from vision_jax.command.flags import option
from vision_jax.command.options import Configured, Log

if TYPE_CHECKING:  # it imports jax
  from vision_jax.recipe.recipe import Recipe
  from vision_jax.recipe.saved import Shapes


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mode(Configured):
  """Tells layout, splits, classes, sizes, boxes and faults of your data.

  Takes --config.data_dir=MY_DATA, and the config that is to be trained, where
  it is known. Ends with 2 where training would stop.
  """

  starts = False
  needs_workdir = False

  output: str = option(
    "out/check",
    "Folder of the sheets of examples, check.png and augmented.png.",
    path=True,
  )

  def load(self, log: Log) -> tuple["Recipe", "Shapes | None"]:
    """Loads the config named, or the one for what is in the folder."""
    del log
    from vision_jax.checking.rules import config_for
    from vision_jax.recipe import recipe

    config = self.config or config_for(self.overrides)
    return recipe.load(config, self.overrides, resolve=False), None

  def run(self, recipe: "Recipe", batch: "Shapes | None", log: Log) -> int:
    """Prints what was found; returns the exit code."""
    del batch, log
    from vision_jax.checking.report import report
    from vision_jax.checking.rules import own_of, rules
    from vision_jax.checking.sheet import write_sheet
    from vision_jax.checking.survey import survey
    from vision_jax.errors import UserError

    start = time.monotonic()
    own = own_of(recipe.values)
    print(f"{own.place}: {own.found.summary()}")
    found = survey(own, **rules(recipe.values))
    for line in report(found, own):
      print(line)
    if found.shown:
      path = pathlib.Path(self.output) / "check.png"
      path.parent.mkdir(parents=True, exist_ok=True)
      bands = tuple(recipe.values.get("show_bands", ()))
      write_sheet(path, found, own.has, bands)
      print(f"Examples with what annotations say of them: {path}")
    if found.images:
      print(f"Looked at all images in {time.monotonic() - start:.1f} s.")
    if found.shown and not found.stops:
      path = pathlib.Path(self.output) / "augmented.png"
      try:
        print(_write_augmented(path, recipe, found.names))
      except UserError as error:
        found.stops.append(str(error))
    for message in found.stops:
      print(f"error: training would stop: {message}", file=sys.stderr)
    return 2 if found.stops else 0


def _write_augmented(
  path: pathlib.Path, recipe: "Recipe", names: Sequence[str]
) -> str:
  """Builds the experiment and draws what its training step sees."""
  from vision_jax.checking.augmented import write_augmented
  from vision_jax.data.bands import as_decoded

  config = recipe.config
  if not config.class_names:  # so that they are not looked for again
    config.class_names = tuple(names)
  if hasattr(recipe.module, "resolve"):
    recipe.module.resolve(config)
  with recipe.build() as experiment:
    return write_augmented(
      path,
      experiment.train_data,
      experiment.inputs,
      experiment.augment,
      config.class_names,
      as_decoded(config.get("show_bands", ()), config.get("bands", ())),
    )
