"""What filters of before learning make of a user's images, as panels."""

import dataclasses
import functools
import pathlib
from collections.abc import Callable, Sequence

import jax
import numpy as np
from etils import epath

from vision_jax.core.checks import check_name
from vision_jax.core.types import Array
from vision_jax.data.errors import BadImage
from vision_jax.data.sources.image_list import ImageList
from vision_jax.errors import UserError
from vision_jax.inference.predict import check_apart
from vision_jax.ops import filters
from vision_jax.ops.luma import luma
from vision_jax.viz.grid import grid
from vision_jax.viz.pixels import to_unit
from vision_jax.viz.png import write_png
from vision_jax.writers import base, folder

COLUMNS = 4  # of a panel, at most
WRITTEN = r".*\.png"


@dataclasses.dataclass(frozen=True)
class Settings:
  """Numbers of the filters.

  Attributes:
    sigma: of the smoothing, in pixels.
    low, high: the thresholds of canny.
    amount: of what unsharp adds.
    pixels: that shift moves down and to the right.
  """

  sigma: float = 1.0
  low: float = 0.1
  high: float = 0.2
  amount: float = 1.0
  pixels: int = 8

  def __post_init__(self):
    if self.high < self.low:
      raise UserError(
        f"--high: got {self.high}; expected --low, {self.low}, or more."
      )


# Name -> (image (1, h, w, c) in [0, 1], settings) -> what is drawn of it.
FILTERS: dict[str, Callable[[Array, Settings], Array]] = {
  "identity": lambda x, _: filters.identity(x),
  "shift": lambda x, how: filters.shift(x, how.pixels, how.pixels),
  "gaussian": lambda x, how: filters.gaussian(x, how.sigma),
  "unsharp": lambda x, how: filters.unsharp_mask(x, how.sigma, how.amount),
  "sobel": lambda x, _: filters.sobel(_grey(x)),
  "canny": lambda x, how: filters.canny(
    _grey(x), how.sigma, how.low, how.high
  ).astype(np.float32),
  "kirsch": lambda x, _: _strongest(x, "kirsch"),
  "prewitt": lambda x, _: _strongest(x, "prewitt"),
  "robinson": lambda x, _: _strongest(x, "robinson"),
}


def read_filters(text: str) -> list[str]:
  """Returns the filters that a text names, "sobel,canny".

  Raises:
    UserError: for another name, with the nearest, or for none.
  """
  names = [name.strip() for name in text.split(",") if name.strip()]
  if not names:
    raise UserError(
      f"--filters: got {text!r}; expected some of {', '.join(FILTERS)}."
    )
  return [check_name("--filters", name, FILTERS) for name in names]


def filter_folder(
  images: str,
  output: epath.PathLike,
  names: Sequence[str],
  settings: Settings,
  *,
  learned: tuple[np.ndarray, str] | None = None,
  log: Callable[[str], None] = print,
) -> None:
  """Writes NAME.png for each image: itself and what filters make of it.

  Each cell is of the image's size. Images that cannot be read are left out, and
  listed.

  Args:
    images: the images, as `ImageList` takes them.
    output: the folder.
    names: filters, see FILTERS.
    settings: their numbers.
    learned: a grid of a net's filters, and whose they are, for a last cell.
    log: prints a line for the user.

  Raises:
    UserError: if there are no images, or the folder has results of an earlier
      call.
  """
  source, place = ImageList(images), pathlib.Path(output)
  check_apart(source.folder, epath.Path(output))
  folder.check_fresh(output, WRITTEN)
  run = jax.jit(functools.partial(_filtered, names=names, settings=settings))
  base.shown.cache_clear()  # a file may be another than before
  bad = []
  for file, name in zip(
    source.files, folder.names(source.files, source.folder), strict=True
  ):
    try:
      image = base.shown(file)
    except BadImage:
      bad.append(str(file))
      continue
    write_png(place / f"{name}.png", _panel(image, run, names, learned))
  log(f"{len(source.files) - len(bad)} images: {place}")
  if learned:
    log(f"The last cell: filters of {learned[1]}")
  if bad:
    log(f"Unreadable, left out: {len(bad)}: {', '.join(bad)}")


def _filtered(
  image: Array, names: Sequence[str], settings: Settings
) -> list[Array]:
  return [FILTERS[name](image, settings)[0] for name in names]


def _panel(image, run, names, learned) -> np.ndarray:
  """Returns an image (h, w, 1 or 3) beside what the filters make of it."""
  cells = [image, *jax.device_get(run(to_unit(image)[None]))]
  titles = ["image", *names]
  if learned:
    cells.append(_fitted(learned[0], image.shape[:2]))
    titles.append("learned")
  columns = min(len(cells), COLUMNS)
  return grid(cells, columns, titles=titles, least=1)


def _fitted(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
  """Returns an image by its nearest pixels, as large as `size` has room."""
  share = min(n / m for n, m in zip(size, image.shape[:2], strict=True))
  sides = [max(int(m * share), 1) for m in image.shape[:2]]
  rows, columns = (
    np.arange(n) * m // n for n, m in zip(sides, image.shape[:2], strict=True)
  )
  return image[rows][:, columns]


def _grey(x: Array) -> Array:
  return luma(x, "full")


def _strongest(x: Array, kind: str) -> Array:
  """The largest response of a compass, over the image's largest."""
  found = filters.compass(_grey(x), kind).max(-1)
  return found / np.float32(filters.compass_kernels(kind).clip(0).sum() / 8)
