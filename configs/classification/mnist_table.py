"""Nets of MNIST's first table of results (LeCun et al., 1998; Simard, 2003).

`net` is mlp300, mlp800, lenet1, lenet4, lenet5 or simard, in the papers' form:
tanh, trained subsampling, and the squared error where they had it
(`loss=squared`; `cross_entropy` is the other). `distort` is none, affine or
elastic, anew in every epoch. All 60,000 images are trained on; the last step is
measured on test. Differs from the papers: batches of 32 by Nesterov's momentum
(`optimizer=adam`: by Adam, which like the second derivatives of the paper gives
each weight a rate of its own) and a cosine, where they went image by image.
"""

from vision_jax.core.checks import check_name
from vision_jax.data.transforms.image import resize
from vision_jax.experiment import Experiment, base_config
from vision_jax.losses.classification import (
  softmax_cross_entropy,
  squared_error,
)
from vision_jax.metrics.calibration import CalibrationError
from vision_jax.metrics.classification import Accuracy
from vision_jax.models.backbones.tanh import TANH_NETS
from vision_jax.ops.augment import (
  normalized_range,
  random_affine,
  random_elastic,
)
from vision_jax.optim.optimizers import adamw, sgd
from vision_jax.optim.schedules import warmup_cosine
from vision_jax.pipelines.classification import classification
from vision_jax.pipelines.data import Loading
from vision_jax.pipelines.sources.labels import LabelData
from vision_jax.tasks.classification import Classification

# Black is -0.1 and white 1.175, as in the paper, so that the mean is near 0.
COLOURS = ((0.1 / 1.275,), (1 / 1.275,))
OPTIMIZERS = {"sgd": sgd, "adam": adamw}
LOSSES = {"squared": squared_error, "cross_entropy": softmax_cross_entropy}


def get_config():
  """Returns the values.

  net: "mlp300", "mlp800", "lenet1", "lenet4", "lenet5" or "simard". loss:
  "squared" or "cross_entropy". distort: what training images go through,
  "none", "affine" or "elastic". optimizer: "sgd" or "adam". squash: whether
  the outputs are squashed too, as LeNet-1's were.
  """
  return base_config(
    steps=37_500,  # 20 epochs
    batch_size=32,
    eval_batch_size=1000,
    log_every=500,
    eval_every=3750,
    dataset="mnist",
    image_size=28,
    channels=1,
    holdout=0,
    net="lenet5",
    loss="squared",
    squash=False,
    distort="none",
    optimizer="sgd",
    lr=0.005,
    weight_decay=0.0,
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
  },
}


def build(config):
  images = LabelData.of(config)
  size = 22 if config.net == "lenet1" else config.image_size
  metrics = {"accuracy": Accuracy()}
  if config.loss == "cross_entropy":  # else outputs are no probabilities
    metrics["calibration"] = CalibrationError()
  data = classification(
    train=images.train,
    evals=images.evals,
    class_names=images.names(),
    num_classes=10,
    colours=COLOURS,
    crop=resize((size, size)),
    loading=Loading.of(config),
    metrics=metrics,
  )
  net = TANH_NETS[check_name("--config.net", config.net, TANH_NETS)]
  model = net(10, squash=config.squash, dtype=config.dtype)
  loss = LOSSES[check_name("--config.loss", config.loss, LOSSES)]
  by = check_name("--config.optimizer", config.optimizer, OPTIMIZERS)
  schedule = warmup_cosine(config.lr, config.steps)
  optimizer = OPTIMIZERS[by](schedule, weight_decay=config.weight_decay)
  return Experiment(
    task=Classification(model, loss=loss),
    optimizers={"model": optimizer},
    augment=distortion(config.distort),
    **data.fields(),
  )


def distortion(name):
  (black,), _ = normalized_range(*COLOURS)
  known = {
    "none": None,
    "affine": random_affine((0.9, 1.1), 10.0, translation=0.07, fill=black),
    "elastic": random_elastic(34.0, 4.0, fill=black),
  }
  return known[check_name("--config.distort", name, known)]
