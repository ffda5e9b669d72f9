"""ResNet-18 on your own images: one folder a class.

`--config.data_dir=FOLDER` has `train/CLASS/*.jpg` and, where there are such,
`val/CLASS/*.jpg` (or valid, validation) and `test/CLASS/*.jpg`; or the class
folders alone. Without val a tenth of each class is held out, chosen by name: a
picture more moves one other at most. Class names are read from the folders and
kept with the run.
"""

from configs.data import IMAGENET, folder_classes, large_images
from vision_jax.experiment import Experiment, base_config
from vision_jax.models.resnet import ResNet18
from vision_jax.ops.augment import random_flip
from vision_jax.optim.optimizers import sgd
from vision_jax.optim.schedules import warmup_cosine
from vision_jax.tasks.classification import Classification


def get_config(variant="full"):
  tiny = variant == "tiny"
  return base_config(
    steps=20 if tiny else 5000,
    batch_size=16 if tiny else 64,
    eval_batch_size=120 if tiny else 64,
    log_every=10 if tiny else 100,
    eval_every=10 if tiny else 500,
    dataset="digits" if tiny else "folder",
    image_size=32 if tiny else 224,
    channels=3,
    holdout=240 if tiny else 0,
    class_names=tuple("0123456789") if tiny else (),
    width=4 if tiny else 64,
    lr=0.05,
    warmup=2 if tiny else 250,
    weight_decay=1e-4,
    dtype="float32",
    convolutional=True,
  )


def resolve(config):
  """Fills in what the data say, when a run begins."""
  if config.dataset == "folder":
    config.class_names = folder_classes(config.data_dir)


def build(config):
  model = ResNet18(
    len(config.class_names),
    width=config.width,
    dtype=config.dtype,
  )
  schedule = warmup_cosine(config.lr, config.steps, warmup=config.warmup)
  return Experiment(
    task=Classification(model),
    optimizers={"model": sgd(schedule, weight_decay=config.weight_decay)},
    augment=random_flip(),
    best=("val/accuracy", "max"),
    **large_images(config, IMAGENET).fields(),
  )
