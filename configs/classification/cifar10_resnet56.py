"""ResNet-56 on CIFAR-10 by the paper's recipe: 93.03 % (He et al., 2015).

64,000 steps of batch 128, rate 0.1 divided by 10 at 32,000 and 48,000, padded
crops and flips; 5,000 training images are held out, as in the paper. Minutes on
a GPU, hours on a CPU. No warm-up, which the paper has for ResNet-110 alone.
Differs from the paper: scales and biases do not decay.
"""

from configs.data import CIFAR10, CIFAR10_NAMES, small_images
from vision_jax.experiment import Experiment, base_config
from vision_jax.models.resnet import ResNet56
from vision_jax.ops.augment import random_crop_flip
from vision_jax.optim.optimizers import sgd
from vision_jax.optim.schedules import step_decay
from vision_jax.tasks.classification import Classification


def get_config(variant="full"):
  tiny = variant == "tiny"
  return base_config(
    steps=20 if tiny else 64_000,
    batch_size=16 if tiny else 128,
    eval_batch_size=120 if tiny else 1000,
    log_every=10 if tiny else 100,
    eval_every=10 if tiny else 2000,
    dataset="digits" if tiny else "cifar10",
    image_size=32,
    channels=3,
    holdout=240 if tiny else 5000,
    width=4 if tiny else 16,
    lr=0.1,
    weight_decay=1e-4,
    dtype="float32",
    convolutional=True,
  )


def build(config):
  model = ResNet56(10, width=config.width, dtype=config.dtype)
  boundaries = [config.steps // 2, config.steps * 3 // 4]
  schedule = step_decay(config.lr, boundaries)
  return Experiment(
    task=Classification(model),
    optimizers={"model": sgd(schedule, weight_decay=config.weight_decay)},
    augment=random_crop_flip(pad=4),
    best=("val/accuracy", "max"),
    **small_images(config, CIFAR10, CIFAR10_NAMES).fields(),
  )
