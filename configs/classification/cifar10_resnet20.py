"""ResNet-20 on CIFAR-10 by the paper's recipe: 91.25 % (He et al., 2015).

64,000 steps of batch 128, rate 0.1 divided by 10 at 32,000 and 48,000, padded
crops and flips; 5,000 training images are held out, as in the paper. Minutes on
a GPU, hours on a CPU. Differs from the paper: scales and biases do not decay.
"""

from vision_jax.data.transforms.image import resize
from vision_jax.experiment import Experiment, base_config
from vision_jax.metrics.classification import Accuracy
from vision_jax.models.backbones.resnet import ResNet20
from vision_jax.ops.augment import random_crop_flip
from vision_jax.optim.optimizers import sgd
from vision_jax.optim.schedules import step_decay
from vision_jax.pipelines.classification import classification
from vision_jax.pipelines.colours import CIFAR10
from vision_jax.pipelines.data import Loading
from vision_jax.pipelines.sources.labels import LabelData
from vision_jax.tasks.classification import Classification


def get_config():
  return base_config(
    steps=64_000,
    batch_size=128,
    eval_batch_size=1000,
    log_every=100,
    eval_every=2000,
    dataset="cifar10",
    image_size=32,
    channels=3,
    holdout=5000,
    width=16,
    lr=0.1,
    weight_decay=1e-4,
    remat="none",
    dtype="float32",
    convolutional=True,
  )


VARIANTS = {
  "tiny": {
    "steps": 20,
    "batch_size": 16,
    "eval_batch_size": 120,
    "log_every": 10,
    "eval_every": 10,
    "dataset": "digits",
    "holdout": 240,
    "width": 4,
  },
}


def build(config):
  model = ResNet20(
    10, width=config.width, remat=config.remat, dtype=config.dtype
  )
  boundaries = [config.steps // 2, config.steps * 3 // 4]
  schedule = step_decay(config.lr, boundaries)
  images = LabelData.of(config)
  data = classification(
    train=images.train,
    evals=images.evals,
    class_names=images.names(),
    num_classes=10,
    colours=CIFAR10,
    crop=resize((config.image_size, config.image_size)),
    loading=Loading.of(config),
    metrics={"accuracy": Accuracy()},
  )
  return Experiment(
    task=Classification(model),
    optimizers={"model": sgd(schedule, weight_decay=config.weight_decay)},
    augment=random_crop_flip(pad=4),
    best=("val/accuracy", "max"),
    **data.fields(),
  )
