"""A denoising convolutional autoencoder on scikit-learn's digits, 8x8.

The mean squared error of a pixel against the clean test images, and how well
the codes tell classes apart: the accuracy of 5 nearest neighbours among the 360
test images, leaving one out. Not measured yet.
"""

from vision_jax.experiment import Eval, Experiment, base_config
from vision_jax.metrics.latents import LatentNeighbours
from vision_jax.models.generation.autoencoder import (
  Autoencoder,
  ConvDecoder,
  ConvEncoder,
)
from vision_jax.optim.optimizers import adamw
from vision_jax.optim.schedules import warmup_cosine
from vision_jax.pipelines.colours import UNIT
from vision_jax.pipelines.data import Loading
from vision_jax.pipelines.generation import generation
from vision_jax.pipelines.generation_images import reconstructions_and_codes
from vision_jax.pipelines.sources.labels import LabelData
from vision_jax.tasks.autoencoder import Autoencoding


def get_config():
  return base_config(
    steps=2000,
    batch_size=64,
    eval_batch_size=120,
    log_every=200,
    dataset="digits",
    image_size=8,
    channels=1,
    holdout=0,
    width=32,
    latent=8,
    lr=2e-3,
    warmup=100,
    corruption="gaussian",
    level=0.2,
    dtype="float32",
    convolutional=True,
  )


VARIANTS = {
  "tiny": {
    "steps": 20,
    "batch_size": 16,
    "log_every": 10,
    "width": 4,
    "warmup": 5,
  },
}


def build(config):
  shape = (config.image_size, config.image_size, config.channels)
  widths = (config.width, 2 * config.width)
  model = Autoencoder(
    ConvEncoder(config.latent, widths, dtype=config.dtype),
    ConvDecoder(shape, widths[::-1], dtype=config.dtype),
  )
  images = LabelData.of(config)
  data = generation(
    train=images.train,
    evals={
      "test": Eval(
        images.evals["test"],
        {"latent": LatentNeighbours()},
        images=reconstructions_and_codes,
      )
    },
    colours=UNIT,
    loading=Loading.of(config),
  )
  rate = warmup_cosine(config.lr, config.steps, warmup=config.warmup)
  return Experiment(
    task=Autoencoding(model, config.corruption, config.level),
    optimizers={"model": adamw(rate, weight_decay=0.0)},
    **data.fields(),
  )
