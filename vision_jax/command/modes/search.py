"""Images like one image."""

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
  """Finds the images most like a query, by the cosine of a net's features.

  Every image is compared. Without --workdir their pixels are, at 32x32. Prints
  a table; the same as csv, and a sheet of the images, go to --output.
  """

  needs_workdir = False

  query: str | None = option(None, "The image to look for.", path=True)
  images: str | None = option(
    None,
    "Where to look: a folder, a pattern in quotes ('DIR/**/*.jpg'), or a .txt "
    "list.",
    path=True,
  )
  neighbours: int = option(10, "How many of the nearest are shown.", low=1)
  layer: str = option(
    "",
    "Whose output is compared, such as conv4_3 or block11/mlp; by default the "
    "net's own embedding, else what goes into the head. Maps and tokens become "
    "their means.",
  )
  output: str = option(
    "out/search", "Folder of search.csv and search.png.", path=True
  )

  def check(self) -> None:
    """Refuses to begin without a query, or images to search in."""
    super().check()
    if not (self.query and self.images):
      raise UserError("--mode=search needs --query=IMAGE and --images=IMAGES.")
    if (self.overrides or self.layer) and not self.workdir:
      raise UserError(
        "--layer and --config.KEY are of a workdir's net; give --workdir."
      )

  def load(self, log: Log) -> tuple["Recipe", "Shapes | None"]:
    """Returns the workdir's config, if there is one."""
    from vision_jax.recipe import recipe

    return super().load(log) if self.workdir else (recipe.of_nothing(), None)

  def run(self, recipe: "Recipe", batch: "Shapes | None", log: Log) -> int:
    """Prints what was found, and writes it."""
    import jax
    from etils import epath

    from vision_jax.files import replace_text
    from vision_jax.transfer.features import Extractor
    from vision_jax.transfer.found import as_csv, table, write_sheet
    from vision_jax.transfer.search import pixels, query_file, search

    query_file(self.query)  # before a net is compiled
    extract = pixels
    if self.workdir:
      extract = Extractor(self.trained(recipe, batch, log), self.layer)
    found = search(self.query, self.images, self.neighbours, extract)
    if jax.process_index() == 0:
      print(table(found), flush=True)
      place = epath.Path(self.output)
      replace_text(place / "search.csv", as_csv(found))
      write_sheet(place / "search.png", found)
      log(f"Of {found.compared} images; written: {place}")
      for why, files in found.left_out.items():
        log(f"{why}, left out: {len(files)}: {', '.join(files)}")
    return 0
