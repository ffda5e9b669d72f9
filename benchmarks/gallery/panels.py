"""What is trained for the gallery, and what each run draws.

A panel is about `SIDE` pixels wide and high, of examples that its net has not
seen in training, the first of their set: none is chosen.
"""

import dataclasses
import pathlib
import tempfile
from collections.abc import Callable, Mapping, Sequence

import cv2
import jax
import numpy as np

from vision_jax.core.step import make_predict_step
from vision_jax.core.types import HostBatch
from vision_jax.explain.folder import explain_folder
from vision_jax.explain.net import Choice
from vision_jax.inference.trained import Trained
from vision_jax.viz.boxes import draw_boxes
from vision_jax.viz.grid import enlarge, grid
from vision_jax.viz.heat import depth_colours
from vision_jax.viz.overlay import overlay_mask
from vision_jax.viz.pixels import to_rgb
from vision_jax.viz.png import write_png

SIDE = 264  # pixels of a panel
SURE = 0.5  # least score of a box that is drawn
ROW = 8  # images of a row of small ones
PHOTOGRAPH = (60, 130)  # upper left corner of what is shown of the test image

Draw = Callable[[Trained], np.ndarray]


@dataclasses.dataclass(frozen=True)
class Panel:
  """A run, and what is drawn of it.

  Attributes:
    name: of the run's folder.
    title: what stands above it.
    config: the config file, from the repository's root.
    draw: (the trained run) -> (h w 3) uint8.
    metric: key in `metrics.jsonl` that says how good the run is.
    variant: of the config.
    overrides: config values that differ; a tiny run leaves them out.
    photographs: whether it is trained on those of `photographs`.
  """

  name: str
  title: str
  config: str
  draw: Draw
  metric: str
  variant: str = ""
  overrides: Mapping[str, str] = dataclasses.field(default_factory=dict)
  photographs: bool = False


def boxes(run: Trained) -> np.ndarray:
  """Draws four scenes with the boxes that are found, and their classes."""
  batch, out = _predicted(run)
  names, cells = run.experiment.predict.class_names, []
  for image, box, score, label in _first(
    4, batch["image"], out["boxes"], out["score"], out["label"]
  ):
    sure, factor = score >= SURE, _factor(image, 2)
    found = (box[sure] * factor, label[sure])
    large = enlarge(to_rgb(image), factor)
    cells.append(draw_boxes(large, *found, class_names=names, thickness=1))
  return _grid(cells, 2)


def masks(run: Trained) -> np.ndarray:
  """Draws two scenes, and the class that is found of each pixel."""
  batch, out = _predicted(run)
  k, cells = len(run.experiment.predict.class_names), []
  for image, target in _first(2, batch["image"], out["target"]):
    large = enlarge(to_rgb(image), _factor(image, 2))
    cells += [large, overlay_mask(large, target, k, alpha=0.6)]
  return _grid(cells, 2)


def depth(run: Trained) -> np.ndarray:
  """Draws two scenes, and the depth that is found of each: near is red."""
  batch, out = _predicted(run)
  cells = []
  for image, found in _first(2, batch["image"], out["depth"]):
    pair = (to_rgb(image), depth_colours(found))
    cells += [enlarge(x, _factor(image, 2)) for x in pair]
  return _grid(cells, 2)


def restored(run: Trained) -> np.ndarray:
  """Draws a part of a photograph with noise, and below it without."""
  batch, out = _predicted(run)
  h, w = SIDE // 2, SIDE
  room = [n - m for n, m in zip(batch["image"].shape[1:3], (h, w), strict=True)]
  y, x = (max(min(a, b), 0) for a, b in zip(PHOTOGRAPH, room, strict=True))
  part = lambda image: np.asarray(image)[0, y : y + h, x : x + w]
  return _grid([part(batch["image"]), part(out["restored"])], 1)


def samples(columns: int, **options: float) -> Draw:
  """Returns what draws images of a generator, a class in each column."""

  def draw(run: Trained) -> np.ndarray:
    with tempfile.TemporaryDirectory() as folder:
      place = pathlib.Path(folder) / "samples"
      run.sample_folder(place, num_samples=columns * columns, **options)
      images = np.load(place / "samples.npz")["image"]
    factor = _factor(images[0], columns)
    return _grid([enlarge(to_rgb(x), factor) for x in images], columns)

  return draw


def explained(run: Trained) -> np.ndarray:
  """Draws digits with the places that speak for the class they are taken for.

  By Grad-CAM, of what the net makes of the enlarged digit.
  """
  batch = next(_data(run).epoch())
  with tempfile.TemporaryDirectory() as folder:
    place = pathlib.Path(folder)
    for i, (image,) in enumerate(_first(16, batch["image"])):
      large = enlarge(to_rgb(image), _factor(image, 4))
      write_png(place / "images" / f"{i:02}.png", large)
    explain_folder(
      *(run.experiment, run.weights(), str(place / "images")),
      *(place / "explained", "gradcam", Choice()),
      log=lambda line: None,
    )
    files = sorted((place / "explained").glob("*.png"))
    return _grid([cv2.imread(str(x))[..., ::-1] for x in files], 4)


def _data(run: Trained):
  """Returns the test set, or what stands in its place."""
  evals = run.experiment.evals
  return evals.get("test", next(iter(evals.values()))).data


def _predicted(run: Trained) -> tuple[HostBatch, dict[str, np.ndarray]]:
  """Returns the first batch of the test set, and what is predicted of it."""
  experiment, batch = run.experiment, next(_data(run).epoch())
  step = make_predict_step(experiment.task, inputs=experiment.inputs)
  out = jax.jit(step)(*run.weights(), (), batch, jax.random.key(0))
  return batch, jax.device_get(out)


def _first(number: int, *arrays: np.ndarray) -> Sequence[tuple]:
  """Returns the first rows of all arrays, each a tuple."""
  return [*zip(*(np.asarray(x)[:number] for x in arrays), strict=True)]


def _factor(image: np.ndarray, columns: int) -> int:
  """Returns how many times an image is enlarged, of so many in a row."""
  return max(SIDE // columns // image.shape[1], 1)


def _grid(cells: Sequence[np.ndarray], columns: int) -> np.ndarray:
  return grid(cells, columns, least=1)


PANELS = (
  Panel(
    "digit_scenes_detr",
    "detection",
    "configs/detection/digit_scenes_detr.py",
    boxes,
    "test/ap50",
  ),
  Panel(
    "digit_scenes_unet",
    "segmentation",
    "configs/segmentation/digit_scenes_unet.py",
    masks,
    "test/miou",
  ),
  Panel(
    "scenes_depth",
    "depth, near is red",
    "configs/depth/scenes_depth.py",
    depth,
    "test/delta1",
    variant="cpu",
    overrides={"steps": "600", "scenes": "2000,50,100", "eval_every": "0"},
  ),
  Panel(
    "photographs_ffdnet",
    "noise taken off",
    "configs/restoration/train400_ffdnet.py",
    restored,
    "test/ema/psnr",
    overrides={
      **{"train": "train", "tests": "test", "channels": "3"},
      **{"image_size": "40", "batch_size": "8", "steps": "400"},
      **{"width": "24", "depth": "6", "ema": "0.98", "eval_every": "0"},
    },
    photographs=True,
  ),
  Panel(
    "digits_ddpm",
    "diffusion, by class",
    "configs/generation/digits_ddpm.py",
    samples(10),
    "test/ema/recognised",
  ),
  Panel(
    "digits_gan",
    "GAN, by class",
    "configs/generation/digits_gan.py",
    samples(10),
    "test/ema/recognised",
  ),
  Panel(
    "digits_vae",
    "VAE, from left to right",
    "configs/generation/digits_vae.py",
    samples(ROW, interpolate=ROW),
    "test/negative_elbo",
  ),
  Panel(
    "digits_cnn",
    "Grad-CAM of a classifier",
    "configs/classification/digits_cnn.py",
    explained,
    "test/accuracy",
  ),
)
