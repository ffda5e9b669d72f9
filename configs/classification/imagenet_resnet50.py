"""ResNet-50 on ImageNet, 90 epochs of batch 1,024: 76.3 to 76.7 % top-1.

The recipe of Goyal et al. (2017) with a cosine: rate 0.4, 5 epochs of warm-up,
weight decay 1e-4. 1 % of train is held out. `data_dir` has a prepared
imagenet2012 (TFDS). Needs accelerators.
"""

import functools

from configs.data import IMAGENET, large_images
from vision_jax.experiment import Experiment, base_config
from vision_jax.losses.classification import softmax_cross_entropy
from vision_jax.models.resnet import ResNet50
from vision_jax.ops.augment import random_flip
from vision_jax.optim.optimizers import sgd
from vision_jax.optim.schedules import warmup_cosine
from vision_jax.tasks.classification import Classification


def get_config(variant="full"):
  tiny = variant == "tiny"
  return base_config(
    steps=20 if tiny else 111_600,  # 90 epochs
    batch_size=16 if tiny else 1024,
    eval_batch_size=120 if tiny else 500,
    log_every=10 if tiny else 100,
    eval_every=10 if tiny else 6200,
    dataset="digits" if tiny else "imagenet2012",
    image_size=32 if tiny else 224,
    channels=3,
    holdout=240 if tiny else 12_811,
    num_classes=10 if tiny else 1000,
    width=4 if tiny else 64,
    lr=0.4,
    warmup=2 if tiny else 6200,
    weight_decay=1e-4,
    smoothing=0.1,
    dtype="float32" if tiny else "bfloat16",
    convolutional=True,
  )


def build(config):
  model = ResNet50(
    config.num_classes,
    width=config.width,
    dtype=config.dtype,
  )
  schedule = warmup_cosine(config.lr, config.steps, warmup=config.warmup)
  loss = functools.partial(softmax_cross_entropy, smoothing=config.smoothing)
  return Experiment(
    task=Classification(model, loss),
    optimizers={
      "model": sgd(schedule, nesterov=True, weight_decay=config.weight_decay)
    },
    augment=random_flip(),
    best=("val/accuracy", "max"),
    **large_images(config, IMAGENET).fields(),
  )
