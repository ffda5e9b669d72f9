"""Images of a batch with their true and their predicted class, for the log."""

from collections.abc import Callable, Sequence

import numpy as np

from vision_jax.pipelines.data import Arrays
from vision_jax.viz.bands import show_bands
from vision_jax.viz.grid import enlarge, enlargement, grid
from vision_jax.viz.pixels import to_rgb
from vision_jax.viz.text import put_label

SIDE = 160  # pixels of an image at least, which text fits in
COLUMNS = 6
RIGHT, WRONG = (0, 110, 40), (190, 30, 30)  # behind a prediction's text


def label_images(
  names: Sequence[str], most: int = 24, bands: Sequence[int] = ()
) -> Callable[[Arrays, Arrays], dict[str, np.ndarray]]:
  """Returns what draws images of a batch, spread evenly over it.

  Above each is its true class, in it the predicted one, on green where both are
  the same and on red where they are not. Where classes do not exclude one
  another all that there are stand there, "-" for none. Nothing is drawn
  where a task predicts no `label`.

  Args:
    names: the classes' names; () for their numbers.
    most: images.
    bands: of an image, that are shown, see `show_bands`.
  """

  def draw(batch: Arrays, out: Arrays) -> dict[str, np.ndarray]:
    if "label" not in out:  # a task of one's own that predicts no class
      return {}
    number = len(batch["image"])
    rows = np.linspace(0, number - 1, min(most, number)).astype(int)
    cells, titles = [], []
    for i in rows:
      true, found = (np.asarray(x["label"][i]) for x in (batch, out))
      same = np.array_equal(true > 0, found) if true.ndim else true == found
      colour = RIGHT if same else WRONG
      image = show_bands(batch["image"][i], bands)
      cells.append(_cell(image, _name(found, names), colour))
      titles.append(f"truth: {_name(true, names)}")
    return {"labels": grid(cells, COLUMNS, titles=titles)}

  return draw


def _cell(
  image: np.ndarray, text: str, colour: tuple[int, int, int]
) -> np.ndarray:
  """Returns an image, enlarged, with a text at its lower left."""
  image = to_rgb(image)
  image = enlarge(image, enlargement(image.shape[:2], SIDE))
  corner = (0, image.shape[0])
  put_label(
    image, text, corner, colour=(255,) * 3, background=colour, height=11
  )
  return image


def _name(label: np.ndarray, names: Sequence[str]) -> str:
  """Returns the class, or all of those that indicators (k,) say."""
  each = np.flatnonzero(label) if label.ndim else [int(label)]
  return ", ".join(names[k] if names else str(k) for k in each) or "-"
