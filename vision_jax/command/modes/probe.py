"""How well a net's frozen features tell classes."""

import dataclasses
from typing import TYPE_CHECKING

from vision_jax.command.flags import option
from vision_jax.command.options import Log, OfWorkdir

if TYPE_CHECKING:  # it imports jax
  from vision_jax.recipe.recipe import Recipe
  from vision_jax.recipe.saved import Shapes


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mode(OfWorkdir):
  """Fits linear classifiers and nearest neighbours to frozen features.

  Of your images with --config.data_dir=MY_IMAGES, of a data set with
  --dataset=NAME, else of those of the run. Measured on test, or val where there
  is no test; prints a table.
  """

  shots: int = option(
    0,
    "Fit to so many images of each class, --episodes times anew; 0: to all.",
    low=0,
  )
  episodes: int = option(10, "Draws of --shots, whose spread is given.", low=1)
  seed: int = option(0, "Of the first draw; the next has the next.", low=0)
  neighbours: int = option(20, "How many neighbours vote.", low=1)
  layer: str = option(
    "",
    "Whose output, such as conv4_3 or block11/mlp; by default what goes into "
    "the head. Maps and tokens become their means.",
  )
  dataset: str = option("", "A data set by name, such as cifar10.")
  classes: str = option(
    "", "Some of its classes, with commas between; all by default."
  )
  layout: str = option(
    "", "Layout of your folder, where it may be read in two ways."
  )
  output: str | None = option(
    None,
    "The file of all that was measured; WORKDIR/probe.json by default.",
    path=True,
  )

  def run(self, recipe: "Recipe", batch: "Shapes | None", log: Log) -> int:
    """Prints a table, and writes all of it."""
    import jax
    from etils import epath

    from vision_jax.files import replace_text, to_json
    from vision_jax.transfer.features import Extractor
    from vision_jax.transfer.images import images_of
    from vision_jax.transfer.probe import Probe
    from vision_jax.transfer.result import as_dict, table

    trained = self.trained(recipe, batch, log)
    images = images_of(
      trained.experiment,
      dataset=self.dataset,
      data_dir=self.overrides.get("data_dir", ""),
      classes=tuple(filter(None, self.classes.split(","))),
      layout=self.layout,
      channels=recipe.config.get("channels", 3),
      run=str(self.workdir),
    )
    probe = Probe(self.shots, self.episodes, self.seed, self.neighbours)
    bad = recipe.config.on_bad_image
    found = probe(Extractor(trained, self.layer), images, on_bad_image=bad)
    if jax.process_index() == 0:
      print(table(found, probe, images), flush=True)
      own = {"workdir": str(self.workdir), "layer": self.layer or "head"}
      output = self.output or epath.Path(self.workdir) / "probe.json"
      content = own | as_dict(found, probe, images)
      replace_text(output, to_json(content, indent=1) + "\n")
      log(f"Written: {output}")
    return 0
