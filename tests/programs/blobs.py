"""A config for tests: noise, dropout, BatchNorm, averages, and FSDP has work.

Neither the 90 examples nor the 37 to evaluate divide by the batch. `data_dir`
may name an npz file with `image` and `label`, or a folder of classes, to use in
place of random blobs.
"""

import flax.linen as nn
import jax
import numpy as np

from vision_jax.data.loader import Loader
from vision_jax.data.sources.arrays import ArraySource, NpzSource
from vision_jax.data.sources.folders import ImageFolder
from vision_jax.data.subsets import split_train
from vision_jax.data.transforms.image import decode, resize
from vision_jax.experiment import Eval, Experiment, Predict, base_config
from vision_jax.layers.conv import Conv
from vision_jax.layers.norm import BatchNorm
from vision_jax.layers.stochastic import Dropout
from vision_jax.metrics.classification import Accuracy
from vision_jax.ops.augment import random_flip
from vision_jax.ops.inputs import normalize
from vision_jax.optim.optimizers import adamw, sgd
from vision_jax.optim.schedules import warmup_cosine
from vision_jax.tasks.classification import Classification

CLASSES = ("red", "green", "blue", "grey")
DECODED = [decode(3), resize((8, 8))]


class Net(nn.Module):
  width: int
  dropout: float

  @nn.compact
  def __call__(self, x, *, train, mask=None):
    x = Conv(8, name="conv")(x)
    norm = BatchNorm(name="norm")
    x = jax.nn.relu(norm(x, train=train, mask=mask)).mean((1, 2))
    for name in ("dense1", "dense2"):
      x = jax.nn.relu(nn.Dense(self.width, name=name)(x))
      x = Dropout(self.dropout)(x, train=train)
    return nn.Dense(len(CLASSES), name="head")(x)


class Blobs(ArraySource):
  """Noisy images, each a little of its class's colour; made on first use."""

  def __init__(self, n, seed):
    super().__init__({}, len(CLASSES), CLASSES)
    self.n, self.seed = n, seed

  def load(self):
    rng = np.random.default_rng(self.seed)
    label = rng.integers(0, len(CLASSES), self.n)
    colour = np.array([(80, 0, 0), (0, 80, 0), (0, 0, 80), (30, 30, 30)])
    image = rng.integers(0, 175, (self.n, 8, 8, 3))
    image = image + colour[label][:, None, None]
    return {"image": image.astype(np.uint8), "label": label}


VARIANTS = {"tiny": {"ema": 0.0}}


def get_config():
  return base_config(
    steps=13,
    batch_size=16,
    log_every=3,
    eval_every=5,
    save_every=4,
    examples=90,
    holdout=37,
    width=128,
    dropout=0.2,
    lr=0.1,
    horizon=20,
    optimizer="sgd",
    ema=0.9,
    names=("a", "b"),
    convolutional=True,
  )


def build(config):
  transforms = []
  if config.data_dir.endswith(".npz"):
    source = NpzSource(config.data_dir, None, len(CLASSES), CLASSES)
  elif config.data_dir:
    source = ImageFolder(config.data_dir)
    transforms = DECODED
  else:
    source = Blobs(config.examples + config.holdout, 0)
  train, val = split_train(source, config.holdout)
  loader = lambda source, **options: Loader(
    source,
    transforms,
    batch_size=config.batch_size,
    seed=config.seed,
    threads=config.threads or None,
    on_bad_image=config.on_bad_image,
    **options,
  )
  weights = ("raw", "ema") if config.ema else ("raw",)
  schedule = warmup_cosine(config.lr, config.horizon, warmup=2)
  make = {"sgd": sgd, "adamw": adamw}[config.optimizer]
  return Experiment(
    task=Classification(Net(config.width, config.dropout)),
    optimizers={"model": make(schedule)},
    inputs=normalize((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    augment=random_flip(),
    ema={"model": config.ema} if config.ema else {},
    train_data=loader(train),
    evals={
      "val": Eval(
        loader(val, shuffle=False),
        {"accuracy": Accuracy((1, 2))},
        weights=weights,
      )
    },
    best=("val/accuracy", "max"),
    predict=Predict(DECODED, CLASSES),
  )
