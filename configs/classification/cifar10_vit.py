"""A 6.3M-parameter ViT/4 on CIFAR-10 from scratch.

200 epochs of batch 512 with RandAugment and MixUp; needs a GPU, and was not run
here. 5,000 training images are held out. Published: 91.01 %, of a ViT of as
many parameters but another shape, batch, augmentation and loss.
"""

from vision_jax.data.transforms.image import resize
from vision_jax.experiment import Experiment, base_config
from vision_jax.metrics.classification import Accuracy
from vision_jax.models.backbones.vit import ViT
from vision_jax.ops.augment import (
  mixup,
  normalized_range,
  rand_augment,
  random_crop_flip,
  sequence,
)
from vision_jax.optim.optimizers import adamw
from vision_jax.optim.schedules import warmup_cosine
from vision_jax.pipelines.classification import classification
from vision_jax.pipelines.colours import CIFAR10
from vision_jax.pipelines.data import Loading
from vision_jax.pipelines.sources.labels import LabelData
from vision_jax.tasks.classification import Classification


def get_config():
  return base_config(
    steps=17_600,  # 200 epochs of 45,000 images
    batch_size=512,
    eval_batch_size=1000,
    log_every=100,
    eval_every=880,
    dataset="cifar10",
    image_size=32,
    channels=3,
    holdout=5000,
    features=256,
    depth=8,
    heads=8,
    drop_path=0.1,
    remat="none",
    lr=1e-3,
    warmup=880,
    weight_decay=0.05,
    dtype="float32",
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
    "features": 16,
    "depth": 2,
    "heads": 4,
    "warmup": 2,
  },
}


def build(config):
  vit = ViT(
    10,
    patch=4,
    features=config.features,
    depth=config.depth,
    heads=config.heads,
    head="gap",
    drop_path=config.drop_path,
    remat=config.remat,
    dtype=config.dtype,
  )
  schedule = warmup_cosine(config.lr, config.steps, warmup=config.warmup)
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
    task=Classification(vit),
    optimizers={
      "model": adamw(schedule, weight_decay=config.weight_decay, clip=1.0)
    },
    augment=sequence(
      random_crop_flip(pad=4),
      rand_augment(2, 9, value_range=normalized_range(*CIFAR10)),
      mixup(0.2, 10),
    ),
    best=("val/accuracy", "max"),
    **data.fields(),
  )
