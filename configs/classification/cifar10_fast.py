"""CIFAR-10 fast: six convolutions on decorrelated patches, 18 to 28 epochs.

Batch 512, one-cycle Nesterov, label smoothing, shifts and flips, averaged
weights. All 50,000 images train. `test` sees each image once, `mirrored` at the
end the image and its mirror image. The full variant is for a GPU, in bf16;
`cpu` is narrower and for two cores.
"""

import dataclasses
import functools

from vision_jax.data.transforms.image import resize
from vision_jax.experiment import Experiment, base_config
from vision_jax.losses.classification import softmax_cross_entropy
from vision_jax.metrics.calibration import CalibrationError
from vision_jax.metrics.classification import Accuracy
from vision_jax.models.backbones.decorrelated import DecorrelatedCNN
from vision_jax.ops.augment import cutout, random_crop_flip, sequence
from vision_jax.ops.views import Views
from vision_jax.optim.optimizers import sgd
from vision_jax.optim.schedules import one_cycle
from vision_jax.pipelines.classification import classification
from vision_jax.pipelines.colours import CIFAR10
from vision_jax.pipelines.data import Loading
from vision_jax.pipelines.sources.labels import LabelData
from vision_jax.tasks.classification import Classification


def get_config():
  return base_config(
    steps=1764,  # 18 epochs
    batch_size=512,
    eval_batch_size=1000,
    log_every=100,
    eval_every=98,
    dataset="cifar10",
    image_size=32,
    channels=3,
    holdout=0,
    widths=(64, 256, 256),
    cutout=8,
    lr=0.8,
    weight_decay=1e-3,
    smoothing=0.2,
    ema=0.98,
    dtype="bfloat16",
    convolutional=True,
  )


VARIANTS = {
  "cpu": {
    "steps": 2800,  # 28 epochs
    "batch_size": 500,
    "eval_every": 400,
    "widths": (64, 192, 192),
    "dtype": "float32",
  },
  "tiny": {
    "steps": 20,
    "batch_size": 16,
    "eval_batch_size": 120,
    "log_every": 10,
    "eval_every": 10,
    "dataset": "digits",
    "widths": (4, 8, 8),
    "dtype": "float32",
  },
}


def build(config):
  model = DecorrelatedCNN(10, widths=config.widths, dtype=config.dtype)
  loss = functools.partial(softmax_cross_entropy, smoothing=config.smoothing)
  task = Classification(model, loss)
  images = LabelData.of(config)
  data = classification(
    train=images.train,
    evals=images.evals,
    class_names=images.names(),
    num_classes=10,
    colours=CIFAR10,
    crop=resize((config.image_size, config.image_size)),
    loading=Loading.of(config),
    metrics={"accuracy": Accuracy(), "calibration": CalibrationError()},
    weights=("raw", "ema"),
  )
  return Experiment(
    task=task,
    optimizers={"model": optimizer(config)},
    augment=augmentation(config),
    ema={"model": config.ema},
    **data.fields() | {"evals": data.evals | mirrored(task, data.evals)},
  )


def mirrored(task, evals):
  """The evaluation of test again, of each image and its mirror image."""
  output = task.seen(Views(flip=True))
  test = dataclasses.replace(evals["test"], output=output, costly=True)
  return {"mirrored": test}


def augmentation(config):
  moved = random_crop_flip(pad=2, mode="reflect")
  return sequence(moved, cutout(config.cutout)) if config.cutout else moved


def optimizer(config):
  schedule = one_cycle(config.lr, config.steps, rise=0.23, anneal="linear")
  return sgd(schedule, 0.85, nesterov=True, weight_decay=config.weight_decay)
