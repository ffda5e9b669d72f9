"""Frames as they come."""

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
  """Labels frames as they come, by the last ones of them and a majority vote.

  For nets of clips and skeletons. Prints how long a label takes, and where the
  file has the truth, after how many frames a change is found. Writes a line for
  each label, and stripes of them over time.
  """

  stream: str | None = option(
    None,
    "A video (.mp4 .avi .mov .mkv .webm), or frames saved by numpy: .npy, or "
    ".npz with an array image (t, h, w, c) or joints (t, v, c), and target "
    "(t,) if the truth is known.",
    path=True,
  )
  output: str = option(
    "out/stream", "Folder of stream.csv and strip.png.", path=True
  )
  window: int | None = option(
    None,
    "Frames that the net sees together; by default what the config says.",
    low=1,
  )
  votes: int = option(
    5, "The last labels whose majority counts; 1 takes each as it is.", low=1
  )
  every: int = option(1, "Of so many frames the first is taken.", low=1)

  def check(self) -> None:
    """Refuses to begin without frames."""
    super().check()
    if not self.stream:
      raise UserError("--mode=stream needs --stream=FILE.")

  def run(self, recipe: "Recipe", batch: "Shapes | None", log: Log) -> int:
    """Prints what was found, and writes it."""
    import jax
    from etils import epath

    from vision_jax.inference.streams import stream

    found = stream(
      self.trained(recipe, batch, log),
      self.stream,
      window=self.window,
      votes=self.votes,
      every=self.every,
    )
    if jax.process_index() == 0:
      print("\n".join(found.lines()), flush=True)
      place = epath.Path(self.output)
      found.write(place)
      log(f"Written: {place}")
    return 0
