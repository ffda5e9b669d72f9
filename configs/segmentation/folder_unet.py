"""U-Net on your own images and masks, matched by file name.

`--config.data_dir=MY_DATA` is a folder with both, in folders of their own, of
their splits or beside each other (`--mode=check` shows what is found); or give
`--config.images=A --config.masks=B`. Images may have any size and are resized
to `--config.image_size=256,256`; metrics are of the masks' own size, to which
predictions are enlarged: the means of IoU and Dice, and those of each class. Of
two classes `val/threshold` is the probability from which on a pixel is of the
second for the best Dice, at the net's size. A tenth is held out as val, chosen
by name: an image more moves one other at most. Masks are saved losslessly, as
PNG for example, and have a class for each pixel, 0, 1, 2, ...;
`--config.mask_values=0,255` says which values they have instead,
`--config.ignore_values=255` which do not count. Where masks number single
objects, or colour them, `--config.objects=true` makes one class of all that is
not background. For details that need the full
resolution take a larger image_size and train on windows, such as
`--config.crop=256,256`: evaluation and prediction then slide such windows.
Image and mask are scaled, turned and mirrored at random:
`--config.augment.rotation=0` and so on change that, `.noise=0.05` adds noise
(`pipelines/augmentation.py` has them all), and `--mode=check` draws some as
they are trained on. No time and no expected result are given: it is your data.

The variant `cpu`, which is taken where there is no accelerator and no variant
is named (`:full` is the whole one), folds 2 x 2 pixels into channels before the
net (`patch`), which costs a quarter, and has a third of the steps, whatever the
number of images: within 20 minutes of two cores. Its values were set before a
run had been seen.

The variant `multiband` reads seven channels of 16 bits, tif or npy, and
`--config.channels=4` another number, `--config.bands=0,1,2,6` some of them,
`--config.bits=32` floats as they are. Mean and deviation are measured of the
images to train on, and kept with the run; of three channels too, by
`--config.mean=measured --config.std=measured`. `--config.show_bands=3,2,1` says
which are red, green and blue in overlays.
"""

from vision_jax.experiment import Experiment
from vision_jax.metrics.mask_threshold import MaskThreshold
from vision_jax.models.segmentation.unet import UNet
from vision_jax.ops.tiling import Tiles
from vision_jax.optim.optimizers import adamw
from vision_jax.optim.schedules import warmup_cosine
from vision_jax.pipelines.augmentation import Augmentation, augment_config
from vision_jax.pipelines.data import Loading
from vision_jax.pipelines.segmentation import segmentation
from vision_jax.pipelines.segmentation_options import metrics_of, task_of
from vision_jax.pipelines.sources.masks import MaskData
from vision_jax.pipelines.sources.stand_ins import SCENE_CLASSES
from vision_jax.pipelines.values import resolve_masks, segmentation_config


def get_config():
  return segmentation_config(
    dataset="folder",
    image_size=(256, 256),
    class_names=(),
    augment=augment_config(
      scale=(0.75, 1.5),
      rotation=10.0,
      flip="horizontal",
      brightness=0.2,
      contrast=0.2,
      saturation=0.2,
    ),
    steps=2_000,
    batch_size=8,
    log_every=50,
    eval_every=250,
    save_every=250,
    width=16,
    depth=4,
    patch=1,
    dropout=0.1,
    lr=1e-3,
    warmup=100,
    weight_decay=1e-2,
    remat="none",
    dtype="float32",
    convolutional=True,
  )


VARIANTS = {
  "multiband": {
    "channels": 7,
    "bits": 16,
    "augment": {"brightness": 0.0, "contrast": 0.0, "saturation": 0.0},
  },
  "tiny": {
    "dataset": "scenes",
    "image_size": (32, 32),
    "scenes": (64, 16, 32),
    "eval_batch_size": 16,
    "class_names": SCENE_CLASSES,
    "crop": (16, 16),
    "steps": 20,
    "log_every": 10,
    "eval_every": 10,
    "save_every": 10,
    "width": 4,
    "depth": 2,
    "warmup": 2,
  },
  "cpu": {
    "patch": 2,
    "steps": 600,
    "eval_every": 100,
    "save_every": 100,
    "lr": 2e-3,
    "warmup": 60,
  },
}
ON_CPU = "cpu"

resolve = resolve_masks


def build(config):
  model = UNet(
    len(config.class_names),
    width=config.width,
    depth=config.depth,
    patch=config.patch,
    dropout=config.dropout,
    remat=config.remat,
    dtype=config.dtype,
  )
  tiles = None
  if config.crop:
    step = tuple(max(n // 2, 1) for n in config.crop)
    tiles = Tiles(tuple(config.crop), step, blend="smooth")
  schedule = warmup_cosine(config.lr, config.steps, warmup=config.warmup)
  masks, names = MaskData.of(config), tuple(config.class_names)
  task = task_of(config, model, tiles=tiles)
  measured = metrics_of(config)
  if two := len(names) == 2:
    measured["threshold"] = MaskThreshold()
  loading = Loading.of(config)
  pipeline = segmentation(
    train=masks.train,
    evals=masks.evals,
    class_names=names,
    decode_mask=masks.decode_target(),
    mask_values=masks.mask_values,
    image_size=config.image_size,
    augment=Augmentation.of(config).masks(config.crop, loading.colours),
    metrics=measured,
    output=task.probs if two else None,
    loading=loading,
  )
  return Experiment(
    task=task,
    optimizers={"model": adamw(schedule, weight_decay=config.weight_decay)},
    best=("val/miou", "max"),
    **pipeline.fields(),
  )
