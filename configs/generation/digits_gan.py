"""A class-conditional GAN on scikit-learn's digits, 8x8.

Convolutional nets, the non-saturating loss with R1, an averaged generator.
`recognised` is the share of samples, one for each of 360 test images, taken for
their class by a CNN trained apart (configs/classification/digits_cnn.py,
another seed): 98.3 % with seed 0 and averaged weights, as many as of the real
ones. 40 s on 2 CPU cores, the CNN's training included.
"""

import functools

from vision_jax.experiment import Experiment, base_config
from vision_jax.models.generation.dcgan import (
  DCGANDiscriminator,
  DCGANGenerator,
)
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
    steps=1500,
    batch_size=64,
    eval_batch_size=120,
    eval_examples=0,
    real="test",
    log_every=200,
    dataset="digits",
    image_size=8,
    channels=1,
    holdout=0,
    width=32,
    latent=32,
    loss="non_saturating",
    r1=1.0,
    r1_every=1,
    generator_lr=1e-3,
    discriminator_lr=1e-3,
    b1=0.0,
    b2=0.99,
    ema=0.995,
    extractor_variant="full",
    dtype="float32",
    convolutional=True,
  )


VARIANTS = {
  "tiny": {
    "steps": 20,
    "batch_size": 16,
    "eval_examples": 120,
    "log_every": 10,
    "width": 8,
    "ema": 0.99,
    "extractor_variant": "tiny",
  },
}


def build(config):
  shape = (config.image_size, config.image_size, config.channels)
  widths = (config.width, 2 * config.width)
  task = GAN(
    DCGANGenerator(shape, config.latent, widths[::-1], 10, dtype=config.dtype),
    DCGANDiscriminator(widths, 10, "none", dtype=config.dtype),
    loss=config.loss,
    r1=config.r1,
    r1_every=config.r1_every,
  )
  images = LabelData.of(config)
  data = generation(
    train=images.train,
    evals=sample_evals(
      images.train,
      images.evals["test"],
      task.sample,
      extractors.digits_cnn(config.extractor_variant),
      real=config.real,
      examples=config.eval_examples,
      recognised=True,
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
    ema={"generator": config.ema},
    **data.fields(),
  )
