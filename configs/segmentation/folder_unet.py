"""U-Net on your own images and masks: folders matched by file name.

`--config.images=A --config.masks=B`; images may have any size and are resized
to `--config.image_size=256,256`; figures are of the masks' own size, to which
predictions are enlarged. A tenth is held out as val, chosen by name: a picture
more moves one other at most. Masks are saved losslessly, as PNG for example,
and have a class for each pixel, 0, 1, 2, ...; `--config.mask_values=0,255` says
which values they have instead, `--config.ignore_values=255` which do not count.
For details that need the full resolution take a larger image_size and train on
windows, such as `--config.crop=256,256`: evaluation and prediction then slide
such windows. No time and no expected result are given: it is your data.
"""

from configs.segmentation_data import (
  data_values,
  experiment_fields,
  resolve_classes,
)
from vision_jax.experiment import Experiment, base_config
from vision_jax.models.unet import UNet
from vision_jax.ops.tiling import Tiles
from vision_jax.optim.optimizers import adamw
from vision_jax.optim.schedules import warmup_cosine
from vision_jax.tasks.segmentation import Segmentation


def get_config(variant="full"):
  tiny = variant == "tiny"
  data = data_values(
    variant,
    dataset="folder",
    image_size=(256, 256),
    class_names=(),
    scale=(0.75, 1.5),
    degrees=10.0,
    jitter=0.2,
    flip=True,
  )
  if tiny:
    data["crop"] = (16, 16)
  return base_config(
    steps=20 if tiny else 2_000,
    batch_size=8,
    log_every=10 if tiny else 50,
    eval_every=10 if tiny else 250,
    save_every=10 if tiny else 250,
    width=4 if tiny else 16,
    depth=2 if tiny else 4,
    dropout=0.1,
    lr=1e-3,
    warmup=2 if tiny else 100,
    weight_decay=1e-2,
    dtype="float32",
    convolutional=True,
    **data,
  )


resolve = resolve_classes


def build(config):
  model = UNet(
    len(config.class_names),
    width=config.width,
    depth=config.depth,
    dropout=config.dropout,
    dtype=config.dtype,
  )
  tiles = None
  if config.crop:
    step = tuple(max(n // 2, 1) for n in config.crop)
    tiles = Tiles(tuple(config.crop), step, blend="smooth")
  schedule = warmup_cosine(config.lr, config.steps, warmup=config.warmup)
  return Experiment(
    task=Segmentation(
      model, class_weights=tuple(config.class_weights) or None, tiles=tiles
    ),
    optimizers={"model": adamw(schedule, weight_decay=config.weight_decay)},
    best=("val/miou", "max"),
    **experiment_fields(config),
  )
