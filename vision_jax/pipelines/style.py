"""Style: images and a painting in; loaders, nets and predict out."""

import dataclasses
import functools
import logging
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from vision_jax.core.checks import check_name
from vision_jax.data.loader import Loader
from vision_jax.data.source import Source
from vision_jax.data.sources.one_image import read_one
from vision_jax.data.sources.photographs import FILES, path_of
from vision_jax.data.together import Together
from vision_jax.data.transforms.base import keep
from vision_jax.data.transforms.crops import (
  random_resized_crop,
  resize_centre_crop,
)
from vision_jax.errors import UserError
from vision_jax.experiment import Eval, Predict
from vision_jax.models.backbones.vgg import VGG, VGG16, VGG19
from vision_jax.ops.augment.geometry import random_flip
from vision_jax.ops.inputs import in_unit
from vision_jax.ops.parts import of_parts
from vision_jax.pipelines.data import Arrays, Data, Loading
from vision_jax.pipelines.sources.photos import PhotoData
from vision_jax.tasks.perceptual import PERCEPTUAL
from vision_jax.viz.grid import grid
from vision_jax.weights import Weights

SHOWN = 4  # images that TensorBoard shows
LEAST = 16  # pixels of a side
_NARROWER = 16  # times, in a demonstration
_LOG = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Painting:
  """The image whose style is learned; read when it is first asked for.

  Attributes:
    path: its file.
    size: of its short side, if that is larger.
    photograph: name of one that comes with a package, where there is no file.
  """

  path: str
  size: int
  photograph: str = ""

  def __call__(self) -> np.ndarray:
    """Returns it, (h, w, 3) uint8.

    Raises:
      UserError: if it is no image.
    """
    return _read(self.path, self.size, self.photograph)


@functools.cache
def _read(path: str, size: int, photograph: str) -> np.ndarray:
  if not (path or photograph):
    raise UserError(
      "--config.painting is missing; expected the image whose style is to be "
      "learned, a file."
    )
  place = path or path_of(check_name("photo_painting", photograph, FILES))
  return read_one("--config.painting", place, size, least=LEAST)


def style_judge(
  path: str, *, random: bool, layers: Sequence[str], depth: int
) -> tuple[VGG, Mapping[str, Weights]]:
  """Returns the VGG that content and style are compared by, and its weights.

  Args:
    path: torchvision's file of it, or a workdir that `--mode=import` has made
      of that.
    random: whether a narrow one with random filters takes its place, for a
      demonstration.
    layers: what it gives maps of.
    depth: 16 or 19.

  Raises:
    UserError: if neither is given, or both.
  """
  if bool(path) == random:
    got = "both" if random else "neither"
    raise UserError(
      f"--config.judge, --config.random_features: got {got}; expected "
      f"torchvision's file of VGG-{depth} for --config.judge, or a workdir of "
      f"it (--mode=import --source=torchvision:vgg{depth}). "
      "--config.random_features=true takes random filters, a demonstration "
      "that is no neural style."
    )
  whole = {16: VGG16, 19: VGG19}[depth](1000, layers=layers)
  if not random:
    return whole, {PERCEPTUAL: Weights(path, part="model")}
  _LOG.warning(
    "random features: content and style are compared by random filters, a "
    "demonstration of the training that is no neural style; that takes the "
    "weights of VGG-%d (--config.judge).",
    depth,
  )
  stages = tuple((max(n // _NARROWER, 4),) * m for n, m in _shape(whole))
  return VGG(1, stages, layers=layers), {}


def _shape(vgg: VGG) -> list[tuple[int, int]]:
  """Returns width and number of convolutions of all stages but the last."""
  return [(stage[0], len(stage)) for stage in vgg.stages[:-1]]


@dataclasses.dataclass(frozen=True)
class Squares:
  """How images become squares.

  Attributes:
    size: side of the squares.
    least: the least share of an image that a training's square is of.
    loading: how examples become batches.
  """

  size: int
  least: float
  loading: Loading

  def train(self, source: Source, number: int = 0) -> Loader:
    """Returns random parts of images, in an order of the source's number."""
    seed = (self.loading.seed + number) % 2**32
    loading = dataclasses.replace(self.loading, seed=seed)
    cut = random_resized_crop(
      self.size, (self.least, 1.0), **self.loading.pixels
    )
    return loading.train(source, [keep("image"), cut])

  def evaluation(self, source: Source) -> Loader:
    """Returns central squares of images."""
    cut = resize_centre_crop(self.size, self.size)
    steps = [keep("image"), self.loading.decode(), cut]
    return self.loading.evaluation(source, steps)

  def predict(self) -> Predict:
    """Returns how whole images are redrawn, at their own size."""
    return Predict(
      [self.loading.decode()], formats=("translated",), own_size=True
    )


def redrawn(images: PhotoData, squares: Squares, *, flip: float = 0.0) -> Data:
  """Returns what an experiment takes, of images alone; measured are losses.

  Args:
    images: the data set.
    squares: how images become batches.
    flip: how often an image is mirrored.
  """
  return Data(
    train_data=squares.train(images.train),
    evals={
      name: Eval(squares.evaluation(source), {}, images=_rows("image"))
      for name, source in images.evals.items()
    },
    inputs=in_unit,
    predict=squares.predict(),
    augment=random_flip(flip) if flip else None,
  )


def beside_styles(
  images: PhotoData, styles: PhotoData, squares: Squares, *, flip: float = 0.0
) -> Data:
  """Returns what an experiment takes, of contents with styles beside them.

  Args:
    images: the contents.
    styles: images whose style is learned, each beside any content.
    squares: how both become batches.
    flip: how often an image is mirrored.
  """
  both = {"content": images, "style": styles}
  flips = {side: random_flip(flip) for side in both}
  evals = {
    name: Together(
      **{side: squares.evaluation(x.evals[name]) for side, x in both.items()}
    )
    for name in images.evals
  }
  shown = _rows("content/image", "style/image")
  return Data(
    train_data=Together(
      **{
        side: squares.train(x.train, number)
        for number, (side, x) in enumerate(both.items())
      }
    ),
    evals={name: Eval(data, {}, images=shown) for name, data in evals.items()},
    inputs=in_unit,
    predict=squares.predict(),
    augment=of_parts(**flips) if flip else None,
  )


def _rows(*keys: str) -> Callable[[Arrays, Arrays], dict[str, np.ndarray]]:
  """Returns what lays out images of a batch, and what is drawn of them."""

  def shown(batch: Arrays, out: Arrays) -> dict[str, np.ndarray]:
    columns = [*(batch[key] for key in keys), out["translated"]]
    rows = np.flatnonzero(np.asarray(batch["mask"]) > 0)[:SHOWN]
    cells = [x[i] for i in rows for x in columns]
    heads = [*(key.removesuffix("/image") for key in keys), "redrawn"]
    titles = [*heads, *[""] * (len(cells) - len(heads))]
    return {"redrawn": grid(cells, len(columns), titles=titles)}

  return shown
