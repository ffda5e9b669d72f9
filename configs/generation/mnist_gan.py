"""The first GAN, of dense nets, on MNIST, 28x28, by `frechet_mnist_lenet`.

https://arxiv.org/abs/1406.2661: 100-256-512-784 with ReLU against
784-512-256-1, the loss of its section 3 (`--config.loss=minimax` has equation
1). `--config.conditional=True` gives both nets the class in one-hot form
(https://arxiv.org/abs/1411.1784), and measures `test/ema/recognised`, the share
of samples that are taken for it. Differs from the paper: leaky ReLU in place of
maxout and dropout, normal z, Adam at a rate that falls linearly, an averaged
generator.

2,000 samples are compared with the first 2,000 test images, through a LeNet-5
trained apart, as in mnist_dcgan.py, whose nets are convolutional. The full
variant is for a GPU, `cpu` for 5 minutes of one core and 2 more of the
LeNet-5's training. Neither is measured yet.
"""

import functools

from vision_jax.experiment import Experiment, base_config
from vision_jax.models.generation.gan import DenseDiscriminator, DenseGenerator
from vision_jax.optim.optimizers import adamw
from vision_jax.optim.schedules import linear
from vision_jax.pipelines import extractors
from vision_jax.pipelines.colours import SIGNED
from vision_jax.pipelines.data import Loading
from vision_jax.pipelines.generation import generation, sample_evals
from vision_jax.pipelines.sources.labels import LabelData
from vision_jax.tasks.gan import GAN


def get_config():
  """Returns the values.

  conditional: whether both nets are given the class. hidden: features of the
  generator's layers in between; the discriminator has them in reverse.
  """
  return base_config(
    steps=60_000,
    batch_size=128,
    eval_batch_size=500,
    eval_examples=2000,
    real="test",
    log_every=200,
    eval_every=0,
    save_every=2000,
    dataset="mnist",
    image_size=28,
    channels=1,
    holdout=0,
    conditional=False,
    hidden=(256, 512),
    latent=100,
    loss="non_saturating",
    generator_lr=2e-4,
    discriminator_lr=2e-4,
    b1=0.5,
    b2=0.999,
    ema=0.999,
    extractor_variant="full",
    dtype="float32",
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
    "hidden": (16,),
    "latent": 8,
    "ema": 0.99,
    "extractor_variant": "tiny",
  },
  "cpu": {"steps": 10_000},
}


def build(config):
  shape = (config.image_size, config.image_size, config.channels)
  classes = 10 if config.conditional else 0
  hidden, how = tuple(config.hidden), {"dtype": config.dtype}
  task = GAN(
    DenseGenerator(shape, config.latent, hidden, classes, **how),
    DenseDiscriminator(hidden[::-1], classes, **how),
    loss=config.loss,
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
      recognised=config.conditional,
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
