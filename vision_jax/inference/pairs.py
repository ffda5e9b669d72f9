"""Images in, pairs out: each with what a filter makes of it, to learn that."""

import pathlib
from collections.abc import Callable

import numpy as np
from etils import epath

from vision_jax.data.errors import BadImage
from vision_jax.data.images import resize_image
from vision_jax.data.sources.image_list import ImageList
from vision_jax.data.styles import STYLES, check_style
from vision_jax.data.subsets import split_paths
from vision_jax.data.transforms.image import short_side, to_array
from vision_jax.errors import UserError
from vision_jax.inference.predict import check_apart
from vision_jax.viz.grid import grid
from vision_jax.viz.png import write_png
from vision_jax.writers import folder

SPLITS = ("train", "val", "test")
FOLDERS = ("input", "target")
SHOWN = 4  # pairs of the sheet
SHEET = "pairs.png"
WRITTEN = rf"{'|'.join(SPLITS)}|{SHEET.replace('.', '[.]')}"


def write_pairs(
  images: str,
  output: epath.PathLike,
  style: str,
  *,
  holdout: float = 0.1,
  size: int = 512,
  log: Callable[[str], None] = print,
) -> dict[str, int]:
  """Writes SPLIT/input/NAME.png and SPLIT/target/NAME.png for each image.

  And a sheet of some, pairs.png. Which split an image is of, its name's hash
  says: an image more moves one other at most from split to split. Grey images
  get colours, transparency goes, and 16 bits become 8. Images that cannot be
  read are left out, and listed.

  Args:
    images: the images, as `ImageList` takes them.
    output: the folder.
    style: one of `STYLES`, which makes the target of an input.
    holdout: share of the images that is val, and as many test.
    size: of the short side, in pixels: larger images are made smaller first; 0
      leaves them.
    log: prints a line for the user.

  Returns:
    How many pairs each split has.

  Raises:
    UserError: for another style, if there are fewer than three images, or the
      folder has results of an earlier call.
  """
  check_style("--style", style)
  source, place = ImageList(images), pathlib.Path(output)
  check_apart(source.folder, epath.Path(output))
  folder.check_fresh(output, WRITTEN)
  names = folder.names(source.files, source.folder)
  splits, bad, shown = splits_of(names, holdout), [], []
  counts = dict.fromkeys(SPLITS, 0)
  for i, name in enumerate(names):
    try:
      pair = _pair(source, i, style, size)
    except BadImage:
      bad.append(str(source.files[i]))
      continue
    for part, pixels in zip(FOLDERS, pair, strict=True):
      write_png(place / splits[i] / part / f"{name}.png", pixels)
    counts[splits[i]] += 1
    shown += pair if len(shown) < 2 * SHOWN else ()
  if shown:
    titles = [*FOLDERS, *[""] * (len(shown) - 2)]
    write_png(place / SHEET, grid(shown, 2, titles=titles))
  log(f"{place}: " + ", ".join(f"{n} {x}" for x, n in counts.items()))
  if bad:
    log(f"Unreadable, left out: {len(bad)}: {', '.join(bad)}")
  return counts


def splits_of(names: list[str], holdout: float) -> list[str]:
  """Returns the split of each of some names, by their hashes.

  Raises:
    UserError: if there are fewer than three, or as good as all are held out.
  """
  if len(names) < 3 or not 0 < holdout < 0.5:
    raise UserError(
      f"--images, --holdout: got {len(names)} images and a share of "
      f"{holdout}; expected three images or more, one for each of train, val "
      "and test, and a share above 0 and below 0.5."
    )
  found = np.full(len(names), SPLITS[0], dtype=object)
  left = np.arange(len(names))
  for split in SPLITS[:0:-1]:  # test, then val of what is left
    share = holdout * len(names) / len(left)
    paths = [names[i] for i in left]
    kept, held = split_paths(paths, [""] * len(left), share, seed=0)
    found[left[held]] = split
    left = left[kept]
  return found.tolist()


def _pair(
  source: ImageList, i: int, style: str, size: int
) -> tuple[np.ndarray, np.ndarray]:
  """Returns an image, and what a style makes of it, (h, w, 3) uint8 both."""
  (example,) = source.read([i])
  image = to_array(example, 3)
  if size and min(image.shape[:2]) > size:
    image = resize_image(image, short_side(image, size))
  return image, STYLES[style](image)
