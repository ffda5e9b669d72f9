"""MAE on CIFAR-10: what is hidden of an image, drawn from a quarter of it.

An encoder sees 16 of 64 patches, a small decoder draws the others from what it
makes of them; each patch counts alike, however little is in it. Labels measure
the encoder's features alone, of whole images, as `cifar10_simclr.py` says.
"""

from vision_jax.data.transforms.image import resize
from vision_jax.experiment import Experiment, base_config
from vision_jax.models.backbones.vit import ViT
from vision_jax.models.masked_autoencoder import MaskedAutoencoder
from vision_jax.ops.augment import random_affine, random_flip, sequence
from vision_jax.optim.optimizers import adamw
from vision_jax.optim.schedules import warmup_cosine
from vision_jax.pipelines.colours import CIFAR10
from vision_jax.pipelines.data import Loading
from vision_jax.pipelines.self_supervised import (
  RATIO,
  self_supervised,
  untrained,
)
from vision_jax.pipelines.sources.labels import LabelData
from vision_jax.tasks.masked_images import MaskedImages


def get_config():
  return base_config(
    steps=35_000,
    batch_size=512,
    eval_batch_size=500,
    log_every=100,
    eval_every=3500,
    save_every=500,
    dataset="cifar10",
    image_size=32,
    channels=3,
    holdout=5000,
    probe_examples=10_000,
    patch=4,
    width=192,
    depth=12,
    heads=3,
    decoder_width=192,
    decoder_layers=4,
    masked=0.75,
    crop=(0.2, 1.0),
    lr=1.5e-3,
    warmup=2000,
    weight_decay=0.05,
    remat="none",
    dtype="float32",
  )


VARIANTS = {
  "cpu": {
    "steps": 2000,
    "batch_size": 256,
    "eval_every": 500,
    "save_every": 100,
    "width": 96,
    "depth": 4,
    "decoder_width": 96,
    "decoder_layers": 1,
    "warmup": 100,
  },
  "tiny": {
    "steps": 20,
    "batch_size": 16,
    "eval_batch_size": 120,
    "log_every": 10,
    "eval_every": 10,
    "save_every": 0,
    "dataset": "digits",
    "image_size": 16,
    "holdout": 60,
    "probe_examples": 120,
    "width": 16,
    "depth": 1,
    "heads": 2,
    "decoder_width": 16,
    "decoder_layers": 1,
    "warmup": 2,
  },
}


def build(config):
  images = LabelData.of(config)
  encoder = ViT(
    0,
    patch=config.patch,
    features=config.width,
    depth=config.depth,
    heads=config.heads,
    head="gap",
    positions="sincos2d",
    remat=config.remat,
    dtype=config.dtype,
  )
  net = MaskedAutoencoder(
    encoder,
    features=config.decoder_width,
    depth=config.decoder_layers,
    heads=config.heads,
  )
  task = MaskedImages(net, config.patch, config.masked)
  data = self_supervised(
    train=images.train,
    evals=images.evals,
    beside={"untrained": untrained(task, config.seed)},
    crop=resize((config.image_size, config.image_size)),
    loading=Loading.of(config),
    colours=CIFAR10,
    examples=config.probe_examples,
  )
  schedule = warmup_cosine(config.lr, config.steps, warmup=config.warmup)
  return Experiment(
    task=task,
    optimizers={
      "model": adamw(schedule, b2=0.95, weight_decay=config.weight_decay)
    },
    augment=sequence(
      random_affine(crop=tuple(config.crop), ratio=RATIO), random_flip()
    ),
    **data.fields(),
  )
