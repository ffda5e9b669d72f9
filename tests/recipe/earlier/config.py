"""A small CNN on scikit-learn's digits: >= 98 % on 360 held-out images.

Needs no data but the installed packages; 15 s a seed on 2 CPU cores.
"""

from configs.data import DIGIT_NAMES, GREY, small_images
from vision_jax.experiment import Experiment, base_config
from vision_jax.models.cnn import CNN
from vision_jax.ops.augment import random_crop
from vision_jax.optim.optimizers import sgd
from vision_jax.optim.schedules import one_cycle
from vision_jax.tasks.classification import Classification


def get_config(variant="full"):
  tiny = variant == "tiny"
  return base_config(
    steps=20 if tiny else 900,
    batch_size=16 if tiny else 64,
    eval_batch_size=120,
    log_every=10 if tiny else 100,
    eval_every=0 if tiny else 450,
    dataset="digits",
    image_size=8,
    channels=1,
    holdout=0,
    width=8 if tiny else 32,
    lr=0.1,
    weight_decay=5e-4,
    convolutional=True,
  )


def build(config, axis=None):
  w = config.width
  return Experiment(
    task=Classification(
      CNN(10, stages=((w, w), (2 * w, 2 * w)), axis_name=axis)
    ),
    optimizers={
      "model": sgd(
        one_cycle(config.lr, config.steps),
        nesterov=True,
        weight_decay=config.weight_decay,
      )
    },
    augment=random_crop(pad=1),
    **small_images(config, GREY, DIGIT_NAMES).fields(),
  )
