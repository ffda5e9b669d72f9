"""U-Net on CamVid, from scratch: mIoU 49.8 at 360 x 480 is what to reach.

367 / 101 / 233 images in `--config.data_dir` (images/SPLIT, masks/SPLIT), or in
`camvid` of the folder that VISION_JAX_DATA names; 11 classes, void ignored. The
checkpoint is chosen on val. For a GPU; not run there yet. The variant `cpu` is
a narrow net on folded pixels, for 2 cores, scored at the same 360 x 480: 25.7
after its 500 steps (seed 0, averaged weights).
"""

from configs.segmentation_data import (
  camvid_values,
  experiment_fields,
  resolve_classes,
)
from vision_jax.experiment import Experiment, base_config
from vision_jax.models.unet import UNet
from vision_jax.optim.optimizers import adamw
from vision_jax.optim.schedules import warmup_cosine
from vision_jax.tasks.segmentation import Segmentation

VARIANTS = ("cpu",)


def get_config(variant="full"):
  tiny, cpu = variant == "tiny", variant == "cpu"
  data = camvid_values(
    variant,
    balance=True,
    scale=(0.5, 2.0),
    degrees=5.0,
    jitter=0.3,
  )
  return base_config(
    steps=20 if tiny else 500 if cpu else 15_000,
    batch_size=8,
    log_every=10 if tiny else 50,
    eval_every=10 if tiny else 500,
    save_every=10 if tiny else 100 if cpu else 500,
    width=4 if tiny else 32 if cpu else 64,
    depth=2 if tiny else 3 if cpu else 4,
    patch=4 if cpu else 1,
    dropout=0.1,
    lr=2e-3 if cpu else 1e-3,
    warmup=2 if tiny else 50 if cpu else 200,
    weight_decay=1e-2,
    ema=0.99 if tiny or cpu else 0.999,
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
    patch=config.patch,
    dtype=config.dtype,
  )
  schedule = warmup_cosine(config.lr, config.steps, warmup=config.warmup)
  return Experiment(
    task=Segmentation(model, class_weights=tuple(config.class_weights) or None),
    optimizers={"model": adamw(schedule, weight_decay=config.weight_decay)},
    ema={"model": config.ema},
    best=("val/ema/miou", "max"),
    **experiment_fields(config, weights=("raw", "ema")),
  )
