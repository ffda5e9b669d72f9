"""A sheet of examples as they are trained on, each drawn several times."""

import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from vision_jax.checking.sheet import shrunk
from vision_jax.data.loader import Loader
from vision_jax.data.subsets import subset
from vision_jax.data.together import Several, Sizes
from vision_jax.data.transforms.boxes import to_pixels
from vision_jax.viz.bands import show_bands
from vision_jax.viz.boxes import draw_boxes
from vision_jax.viz.grid import enlarge, enlargement, grid
from vision_jax.viz.overlay import overlay_mask
from vision_jax.viz.pixels import to_rgb
from vision_jax.viz.png import write_png

IMAGES, DRAWS = 4, 6  # rows and columns
_LEAST, _MOST = 128, 256  # pixels of a cell's longer side
_WHITE = {"uint8": 255, "uint16": 65535}
Arrays = Mapping[str, Any]


def write_augmented(
  path: pathlib.Path,
  loader: Loader | Several,
  inputs: Callable[[Arrays], Arrays],
  augment: Callable[[Arrays, jax.Array], Arrays] | None,
  names: Sequence[str],
  bands: Sequence[int] = (),
) -> str:
  """Writes a row of draws for each of a few images, with their truth, as PNG.

  Args:
    path: the file.
    loader: what is trained on; of several sizes the last is shown.
    inputs, augment: of the experiment; what a training step does first.
    names: the classes' names.
    bands: of a decoded image, that are shown, see `show_bands`.

  Returns:
    A line that says what is there; nothing is where examples are no images.
  """
  if isinstance(loader, Sizes):
    loader = loader.last
  batch = {} if isinstance(loader, Several) else _repeated(loader)
  if np.ndim(batch.get("image")) != 4:
    return (
      f"No {path.name}: what is trained on are no single images, "
      f"`image` (b, h, w, c), but {_words(loader.batch(0))}."
    )
  names = tuple(names)

  @jax.jit
  def seen(batch):
    new = inputs(batch)
    return augment(new, jax.random.key(loader.seed)) if augment else new

  new = jax.device_get(seen(batch))
  image = _undo(inputs, batch["image"], new["image"])
  examples = [
    {k: x[i] for k, x in new.items()} | {"image": show_bands(image[i], bands)}
    for i in np.flatnonzero(batch["mask"])
  ]
  cells = [_cell(example, names) for example in examples]
  titles = [_title(example, names) for example in examples]
  write_png(path, grid(cells, DRAWS, titles=titles if any(titles) else ()))
  return f"Examples as they are trained on, each drawn anew: {path}"


def _words(batch: Arrays) -> str:
  shapes = {name: x.shape for name, x in batch.items() if x.ndim > 3}
  return ", ".join(f"`{name}` {shape}" for name, shape in shapes.items())


def _repeated(loader: Loader) -> dict[str, np.ndarray]:
  """Returns a batch of a few examples, each several times."""
  size = len(loader.source)
  few = np.linspace(0, size - 1, min(IMAGES, size)).astype(int)
  source = subset(loader.source, few.repeat(DRAWS))
  repeated = Loader(
    source,
    loader.transforms,
    len(source),
    loader.seed,
    shuffle=False,
    on_bad_image=loader.on_bad_image,
    num_classes=loader.num_classes,
  )
  with repeated:
    return repeated.batch(0)


def _undo(
  inputs: Callable[[Arrays], Arrays], before: np.ndarray, image: np.ndarray
) -> np.ndarray:
  """Returns images in their type again, whatever `inputs` scales by."""
  ends = np.zeros((2, 1, 1, before.shape[-1]), before.dtype)
  ends[1] = highest = _WHITE.get(before.dtype.name, 1)
  black, white = np.asarray(inputs({"image": ends})["image"])
  pixels = (image - black) / (white - black) * highest
  if before.dtype.kind == "u":
    pixels = np.round(pixels.clip(0, highest))
  return pixels.astype(before.dtype)


def _cell(example: Arrays, names: Sequence[str]) -> np.ndarray:
  """Returns an image without padding, with its mask or boxes."""
  image, target = example["image"], example.get("target")
  if "image_mask" in example:
    rows, columns = (example["image_mask"].any(i).sum() for i in (1, 0))
    image = image[:rows, :columns]
  image = to_rgb(image)
  if target is not None:
    image = overlay_mask(image, target, len(names))
  image = _sized(image)
  if "boxes" not in example:
    return image
  real = example["box_mask"] > 0
  corners = to_pixels(example["boxes"][real], image.shape[:2])
  labels = example["label"][real]
  return draw_boxes(image, corners, labels, class_names=names, thickness=1)


def _sized(image: np.ndarray) -> np.ndarray:
  """Returns an image of a size that truth can be drawn on."""
  image = enlarge(image, enlargement(image.shape[:2], _LEAST))
  return shrunk(image, _MOST)


def _title(example: Arrays, names: Sequence[str]) -> str:
  """Returns the class of an image that has one."""
  one = "boxes" not in example and np.ndim(example.get("label", [])) == 0
  return names[int(example["label"])] if one else ""
