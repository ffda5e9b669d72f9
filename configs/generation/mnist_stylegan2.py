"""StyleGAN2 on MNIST, by class, 28x28 from maps of 7x7.

https://arxiv.org/abs/1912.04958: a net of styles and noise, non-saturating loss
with R1 and penalties of path lengths, both lazy, mixed styles, Adam without a
first moment, and an averaged generator. Differs: no deviation over a minibatch,
narrower nets, and a batch of paths as large as the others.

  python -m vision_jax.main --mode=sample --workdir=WORKDIR --output=OUT \
      --sample.truncation=0.7 --sample.mix_from=3

Measured as `mnist_dcgan.py` is. The variant `cpu`, 4,000 steps in half an hour
of a core that had other work too, comes to a distance of 46.0 with 89.4 %
recognised, and the samples of a class are much alike: DCGAN is better in less.
The full variant is for a GPU and not measured.
"""

import functools

from vision_jax.experiment import Experiment, base_config
from vision_jax.models.generation.stylegan2 import StyleGAN2Generator
from vision_jax.models.generation.stylegan2_discriminator import (
  StyleGAN2Discriminator,
)
from vision_jax.optim.optimizers import adamw
from vision_jax.pipelines import extractors
from vision_jax.pipelines.colours import SIGNED
from vision_jax.pipelines.data import Loading
from vision_jax.pipelines.generation import generation, sample_evals
from vision_jax.pipelines.sources.labels import LabelData
from vision_jax.tasks.style_gan import StyleGAN


def get_config():
  """Returns the values.

  r1, path: weights of the penalties, of which one step in r1_every and
  path_every has one. mixing: how often an image has two styles.
  """
  return base_config(
    steps=30_000,
    batch_size=64,
    eval_batch_size=500,
    eval_examples=2000,
    real="test",
    log_every=200,
    eval_every=0,
    save_every=1000,
    dataset="mnist",
    image_size=28,
    channels=1,
    holdout=0,
    widths=(256, 128, 64),
    latent=256,
    depth=8,
    r1=1.0,
    r1_every=16,
    path=2.0,
    path_every=4,
    mixing=0.9,
    lr=2e-3,
    b2=0.99,
    ema=0.999,
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
    "widths": (8, 8),
    "latent": 8,
    "depth": 2,
    "ema": 0.99,
    "extractor_variant": "tiny",
  },
  "cpu": {
    "steps": 4000,
    "batch_size": 32,
    "widths": (64, 32, 16),
    "latent": 64,
    "depth": 4,
  },
}


def build(config):
  shape = (config.image_size, config.image_size, config.channels)
  widths, dtype = tuple(config.widths), config.dtype
  task = StyleGAN(
    StyleGAN2Generator(
      shape, config.latent, widths, config.depth, 10, dtype=dtype
    ),
    StyleGAN2Discriminator(widths[::-1], 10, dtype=dtype),
    r1=config.r1,
    r1_every=config.r1_every,
    path=config.path,
    path_every=config.path_every,
    mixing=config.mixing,
  )
  images = LabelData.of(config)
  data = generation(
    train=images.train,
    evals=sample_evals(
      images.train,
      images.evals["test"],
      task.sample,
      extractors.mnist_lenet(config.data_dir, config.extractor_variant),
      real=config.real,
      examples=config.eval_examples,
      recognised=True,
    ),
    colours=SIGNED,
    loading=Loading.of(config),
    num_classes=task.num_classes,
  )
  adam = functools.partial(adamw, b1=0.0, b2=config.b2, weight_decay=0.0)
  rate = lambda step: config.lr
  return Experiment(
    task=task,
    optimizers={"generator": adam(rate), "discriminator": adam(rate)},
    ema={"generator": config.ema},
    **data.fields(),
  )
