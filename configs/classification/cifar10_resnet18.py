"""ResNet-18 (3x3 stem, 11.2M parameters) on CIFAR-10: 94.8 % is to reach.

200 epochs of batch 128, rate 0.1 divided by 10 after 100 and 150 epochs, a
decay of 1e-4 of all parameters (mmpretrain's recipe, 94.82 %). Differs from it:
5,000 training images are held out. Needs a GPU; not run here.
"""

from configs.data import CIFAR10, CIFAR10_NAMES, small_images
from vision_jax.experiment import Experiment, base_config
from vision_jax.models.resnet import ResNet18
from vision_jax.ops.augment import random_crop_flip
from vision_jax.optim.optimizers import sgd
from vision_jax.optim.schedules import step_decay
from vision_jax.tasks.classification import Classification


def get_config(variant="full"):
  tiny = variant == "tiny"
  return base_config(
    steps=20 if tiny else 70_300,  # 200 epochs of 45,000 images
    batch_size=16 if tiny else 128,
    eval_batch_size=120 if tiny else 1000,
    log_every=10 if tiny else 100,
    eval_every=10 if tiny else 3515,
    dataset="digits" if tiny else "cifar10",
    image_size=32,
    channels=3,
    holdout=240 if tiny else 5000,
    width=4 if tiny else 64,
    lr=0.1,
    weight_decay=1e-4,
    dtype="float32",
    convolutional=True,
  )


def build(config):
  model = ResNet18(
    10,
    width=config.width,
    stem="small",
    dtype=config.dtype,
  )
  boundaries = [config.steps // 2, config.steps * 3 // 4]
  schedule = step_decay(config.lr, boundaries)
  return Experiment(
    task=Classification(model),
    optimizers={
      "model": sgd(schedule, weight_decay=config.weight_decay, no_decay=())
    },
    augment=random_crop_flip(pad=4),
    best=("val/accuracy", "max"),
    **small_images(config, CIFAR10, CIFAR10_NAMES).fields(),
  )
