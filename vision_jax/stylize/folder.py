"""Two images of a user's in, a stylized one out, with what lies between."""

import dataclasses
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
from etils import epath

from vision_jax.data.sources.one_image import read_one
from vision_jax.files import replace_text, to_json
from vision_jax.stylize.net import LEAST, StyleNet
from vision_jax.stylize.pixels import Reached, Settings, descend
from vision_jax.viz.grid import grid
from vision_jax.viz.pixels import to_unit
from vision_jax.viz.png import write_png
from vision_jax.writers import folder

RESULT, SHEET, ABOUT = "stylized.png", "sheet.png", "stylized.json"
PROGRESS = "progress"
WRITTEN = "|".join([RESULT, SHEET, ABOUT, PROGRESS]).replace(".", "[.]")
DEMONSTRATION = (
  "random features: a demonstration of the optimisation by random filters, "
  "which is not neural style; that takes the trained weights of VGG-19 "
  "(--weights_file)"
)


def stylize(
  content: epath.PathLike,
  style: epath.PathLike,
  output: epath.PathLike,
  make_net: Callable[[], StyleNet],
  settings: Settings,
  *,
  size: int = 512,
  every: int = 50,
  log: Callable[[str], None] = print,
) -> Reached:
  """Writes an image with the content of one and the style of another.

  `stylized.png`, of the content's size; `progress/STEP.png`; `sheet.png`, with
  both images beside it; and `stylized.json`, with settings and losses. If the
  net's weights are random, the log, the sheet and the json tell it.

  Args:
    content: an image's file.
    style: likewise.
    output: the folder.
    make_net: gives the net whose maps are compared, once both are read.
    settings: how pixels descend.
    size: of the short side, in pixels: larger images are made smaller first; 0
      leaves them.
    every: steps from one image of progress to the next; 0 writes none.
    log: prints a line for the user.

  Returns:
    What came of it.

  Raises:
    UserError: if one of them is no image, or a very small one, or the folder
      has results of an earlier call.
    RunFailure: if a loss is not finite.
  """
  images = {
    "content": read_one("--content", content, size, least=LEAST),
    "style": read_one("--style", style, size, least=LEAST),
  }
  folder.check_fresh(output, WRITTEN)
  net = make_net()
  if not net.trained:
    log(f"{DEMONSTRATION}.")
  place, found = pathlib.Path(output), []
  digits = len(str(settings.steps))
  given = [to_unit(image) for image in images.values()]
  for reached in descend(net, *given, settings, every=every):
    log(_line(reached, settings.steps))
    if every and reached.step:
      name = f"{reached.step:0{digits}}.png"
      write_png(place / PROGRESS / name, _pixels(reached))
    found.append({"step": reached.step, **reached.losses})
  write_png(place / RESULT, _pixels(reached))
  title = "stylized" if net.trained else "random features"
  cells = [*images.values(), _pixels(reached)]
  sheet = grid(cells, len(cells), titles=[*images, title], least=1)
  write_png(place / SHEET, sheet)
  about = _about(content, style, net, settings, size)
  replace_text(place / ABOUT, to_json(about | {"losses": found}, indent=2))
  log(f"Written: {place / RESULT}")
  return reached


def _pixels(reached: Reached) -> np.ndarray:
  return np.round(reached.pixels * 255).astype(np.uint8)


def _line(reached: Reached, steps: int) -> str:
  losses = ", ".join(f"{k} {x:.4g}" for k, x in reached.losses.items())
  return f"step {reached.step}/{steps}: {losses}"


def _about(
  content: epath.PathLike,
  style: epath.PathLike,
  net: StyleNet,
  settings: Settings,
  size: int,
) -> dict[str, Any]:
  how = dataclasses.asdict(settings)
  weights = {f"{n}_weight": how.pop(n) for n in ("content", "style")}
  weights["variation_weight"] = how.pop("variation")
  return {
    "content": str(content),
    "style": str(style),
    "features": "VGG-19, trained" if net.trained else DEMONSTRATION,
    "size": size,
    "pooling": "average" if net.model.average else "max",
    **weights,
    **how,
  }
