"""SegNet-Basic on CamVid: 47.7 mIoU, 62.0 class, 82.7 global in the paper.

From scratch at 360 x 480, median frequency balancing, SGD with rate 0.1 and
momentum 0.9, batches of 12 (arXiv:1511.00561, table 1); the paper normalizes
local contrast, this does not, and decays the rate. Data as in camvid_unet.py.
For a GPU; not run there yet. The variant `cpu`, at half the resolution and so
not comparable, is for 2 cores; not run to its end either.
"""

from configs.segmentation_data import (
  camvid_values,
  experiment_fields,
  resolve_classes,
)
from vision_jax.experiment import Experiment, base_config
from vision_jax.models.segnet import SegNetBasic
from vision_jax.optim.optimizers import sgd
from vision_jax.optim.schedules import warmup_cosine
from vision_jax.tasks.segmentation import Segmentation

VARIANTS = ("cpu",)


def get_config(variant="full"):
  tiny, cpu = variant == "tiny", variant == "cpu"
  size = {"image_size": (180, 240)} if cpu else {}
  return base_config(
    steps=20 if tiny else 600 if cpu else 15_000,
    batch_size=8 if tiny else 12,
    log_every=10 if tiny else 50,
    eval_every=10 if tiny else 300 if cpu else 500,
    save_every=10 if tiny else 300 if cpu else 500,
    width=4 if tiny else 16 if cpu else 64,
    depth=2 if tiny else 4,
    lr=0.1,
    warmup=2 if tiny else 100,
    weight_decay=5e-4,
    dtype="float32",
    convolutional=True,
    **camvid_values(variant, balance=True, scale=(0.75, 1.5), **size),
  )


resolve = resolve_classes


def build(config):
  model = SegNetBasic(
    len(config.class_names),
    width=config.width,
    depth=config.depth,
    dtype=config.dtype,
  )
  schedule = warmup_cosine(config.lr, config.steps, warmup=config.warmup)
  return Experiment(
    task=Segmentation(model, class_weights=tuple(config.class_weights) or None),
    optimizers={"model": sgd(schedule, weight_decay=config.weight_decay)},
    best=("val/miou", "max"),
    **experiment_fields(config),
  )
