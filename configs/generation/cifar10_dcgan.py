"""DCGAN on CIFAR-10, 32x32, by `frechet_cifar10_resnet20`.

https://arxiv.org/abs/1511.06434: BatchNorm in both nets, Adam with 2e-4 and
b1 0.5, batches of 128. Differs from the paper: the rate falls linearly, the
generator is averaged, and images are flipped. The distance is of 10,000
samples and the test images, by a ResNet-20 trained apart on first use
(configs/classification/cifar10_resnet20.py), or `fid` with --config.inception,
as in cifar10_ddpm.py. Not measured yet; for a GPU.
"""

import functools

from vision_jax.experiment import Experiment, base_config
from vision_jax.models.generation.dcgan import (
  DCGANDiscriminator,
  DCGANGenerator,
)
from vision_jax.ops.augment import random_flip
from vision_jax.optim.optimizers import adamw
from vision_jax.optim.schedules import linear
from vision_jax.pipelines import extractors
from vision_jax.pipelines.colours import SIGNED
from vision_jax.pipelines.data import Loading
from vision_jax.pipelines.generation import generation, sample_evals
from vision_jax.pipelines.sources.labels import LabelData
from vision_jax.tasks.gan import GAN


def get_config():
  return base_config(
    steps=50_000,
    batch_size=128,
    eval_batch_size=500,
    eval_examples=0,
    real="test",
    reference="",
    log_every=200,
    save_every=5000,
    dataset="cifar10",
    image_size=32,
    channels=3,
    holdout=0,
    width=64,
    latent=100,
    loss="non_saturating",
    generator_lr=2e-4,
    discriminator_lr=2e-4,
    b1=0.5,
    b2=0.999,
    ema=0.999,
    inception="",
    extractor_variant="full",
    dtype="float32",
    convolutional=True,
  )


VARIANTS = {
  "tiny": {
    "steps": 20,
    "batch_size": 16,
    "eval_batch_size": 60,
    "eval_examples": 60,
    "log_every": 10,
    "save_every": 0,
    "dataset": "digits",
    "width": 8,
    "ema": 0.99,
    "extractor_variant": "tiny",
  },
}


def build(config):
  shape = (config.image_size, config.image_size, config.channels)
  widths = (config.width, 2 * config.width, 4 * config.width)
  task = GAN(
    DCGANGenerator(shape, config.latent, widths[::-1], dtype=config.dtype),
    DCGANDiscriminator(widths, dtype=config.dtype),
    loss=config.loss,
  )
  images = LabelData.of(config)
  data = generation(
    train=images.train,
    evals=sample_evals(
      images.train,
      images.evals["test"],
      task.sample,
      extractors.for_cifar10(
        config.inception, config.data_dir, config.extractor_variant
      ),
      real=config.real,
      reference=config.reference,
      examples=config.eval_examples,
      recognised=False,
    ),
    colours=SIGNED,
    loading=Loading.of(config),
    num_classes=task.num_classes,
  )
  adam = functools.partial(adamw, b1=config.b1, b2=config.b2, weight_decay=0.0)
  return Experiment(
    task=task,
    optimizers={
      "generator": adam(linear(config.generator_lr, config.steps)),
      "discriminator": adam(linear(config.discriminator_lr, config.steps)),
    },
    augment=random_flip(),
    ema={"generator": config.ema},
    **data.fields(),
  )
