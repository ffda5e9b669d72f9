"""FCN-8s on CamVid, from scratch, at 360 x 480.

Published: mIoU 50.4, of a VGG-16 that starts from ImageNet's weights, so not
comparable. VGG-16 with BatchNorm, since nothing is pretrained, and fc6 and fc7
of 1,024 features; `--config.hidden=4096` is the paper's. Data as in
camvid_unet.py. For a GPU; not run there yet. The variant `cpu`, narrow and at
half the resolution, is not comparable; not run to its end either.
"""

from configs.segmentation_data import (
  camvid_values,
  experiment_fields,
  resolve_classes,
)
from vision_jax.experiment import Experiment, base_config
from vision_jax.models.fcn import FCN8s
from vision_jax.optim.optimizers import sgd
from vision_jax.optim.schedules import warmup_cosine
from vision_jax.tasks.segmentation import Segmentation

VARIANTS = ("cpu",)


def get_config(variant="full"):
  tiny, cpu = variant == "tiny", variant == "cpu"
  size = {"image_size": (180, 240)} if cpu else {}
  data = camvid_values(
    variant, scale=(0.5, 2.0), degrees=5.0, jitter=0.3, **size
  )
  return base_config(
    steps=20 if tiny else 800 if cpu else 15_000,
    batch_size=8,
    log_every=10 if tiny else 50,
    eval_every=10 if tiny else 400 if cpu else 500,
    save_every=10 if tiny else 400 if cpu else 500,
    width=4 if tiny else 16 if cpu else 64,
    hidden=16 if tiny else 128 if cpu else 1024,
    dropout=0.5,
    lr=0.01,
    warmup=2 if tiny else 200,
    weight_decay=5e-4,
    dtype="float32",
    convolutional=True,
    **data,
  )


resolve = resolve_classes


def build(config):
  w = config.width
  model = FCN8s(
    len(config.class_names),
    stages=((w,) * 2, (2 * w,) * 2, (4 * w,) * 3, (8 * w,) * 3, (8 * w,) * 3),
    hidden=config.hidden,
    dropout=config.dropout,
    norm=True,
    dtype=config.dtype,
  )
  schedule = warmup_cosine(config.lr, config.steps, warmup=config.warmup)
  return Experiment(
    task=Segmentation(model, class_weights=tuple(config.class_weights) or None),
    optimizers={"model": sgd(schedule, weight_decay=config.weight_decay)},
    best=("val/miou", "max"),
    **experiment_fields(config),
  )
