"""LeNet-5 on MNIST: >= 99.0 % test accuracy, about 90 s on 2 CPU cores.

5,000 training images are held out to choose the best checkpoint; the figure
reported is the last step's on test.
"""

from configs.data import DIGIT_NAMES, MNIST, small_images
from vision_jax.experiment import Experiment, base_config
from vision_jax.models.lenet import LeNet5
from vision_jax.optim.optimizers import sgd
from vision_jax.optim.schedules import warmup_cosine
from vision_jax.tasks.classification import Classification


def get_config(variant="full"):
  tiny = variant == "tiny"
  return base_config(
    steps=20 if tiny else 4300,  # 10 epochs
    batch_size=16 if tiny else 128,
    eval_batch_size=120 if tiny else 1000,
    log_every=10 if tiny else 100,
    eval_every=10 if tiny else 430,
    dataset="digits" if tiny else "mnist",
    image_size=28,
    channels=1,
    holdout=240 if tiny else 5000,
    lr=0.05,
    weight_decay=5e-4,
    convolutional=True,
  )


def build(config):
  return Experiment(
    task=Classification(LeNet5(10)),
    optimizers={
      "model": sgd(
        warmup_cosine(config.lr, config.steps),
        weight_decay=config.weight_decay,
      )
    },
    best=("val/accuracy", "max"),
    **small_images(config, MNIST, DIGIT_NAMES).fields(),
  )
