"""Rotation on CIFAR-10: which way up an image is, and what that teaches.

Each image is turned by none to three quarters, and a net tells by how many
(Gidaris et al., 2018): to know it has to see what is in it. Labels measure its
features alone, as `cifar10_simclr.py` says.

Differs from the paper: an image is seen in one turn a step, and not in all
four; features are the last map's average.
"""

from vision_jax.data.transforms.image import resize
from vision_jax.experiment import Experiment, base_config
from vision_jax.models.backbones.resnet import ResNet
from vision_jax.ops.augment import random_crop_flip, sequence
from vision_jax.optim.optimizers import adamw
from vision_jax.optim.schedules import warmup_cosine
from vision_jax.pipelines.colours import CIFAR10
from vision_jax.pipelines.data import Loading
from vision_jax.pipelines.self_supervised import (
  pooled,
  self_supervised,
  turned,
  untrained,
)
from vision_jax.pipelines.sources.labels import LabelData
from vision_jax.tasks.classification import Classification


def get_config():
  return base_config(
    steps=20_000,
    batch_size=128,
    eval_batch_size=500,
    log_every=100,
    eval_every=2000,
    save_every=500,
    dataset="cifar10",
    image_size=32,
    channels=3,
    holdout=5000,
    probe_examples=10_000,
    stages=(2, 2, 2, 2),
    width=64,
    stem="small",
    lr=2e-3,
    warmup=500,
    weight_decay=1e-4,
    remat="none",
    dtype="float32",
    convolutional=True,
  )


VARIANTS = {
  "cpu": {
    "steps": 1500,
    "batch_size": 256,
    "eval_every": 500,
    "save_every": 100,
    "stages": (1, 1, 1),
    "width": 48,
    "stem": "imagenet",
    "warmup": 100,
  },
  "tiny": {
    "steps": 20,
    "batch_size": 16,
    "eval_batch_size": 120,
    "log_every": 10,
    "eval_every": 10,
    "save_every": 0,
    "dataset": "digits",
    "image_size": 16,
    "holdout": 60,
    "probe_examples": 120,
    "stages": (1, 1),
    "width": 8,
    "warmup": 2,
  },
}


def build(config):
  images = LabelData.of(config)
  net = ResNet(
    4,
    stages=tuple(config.stages),
    bottleneck=False,
    width=config.width,
    stem=config.stem,
    zero_init=False,
    remat=config.remat,
    dtype=config.dtype,
  )
  task = Classification(net)
  data = self_supervised(
    train=images.train,
    evals=images.evals,
    beside={"untrained": untrained(task, config.seed, features=True)},
    crop=resize((config.image_size, config.image_size)),
    loading=Loading.of(config),
    colours=CIFAR10,
    examples=config.probe_examples,
    output=pooled(task),
  )
  schedule = warmup_cosine(config.lr, config.steps, warmup=config.warmup)
  return Experiment(
    task=task,
    optimizers={"model": adamw(schedule, weight_decay=config.weight_decay)},
    augment=sequence(random_crop_flip(pad=4, mode="reflect"), turned()),
    **data.fields(),
  )
