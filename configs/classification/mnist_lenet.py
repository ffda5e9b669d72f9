"""LeNet-5 on MNIST: >= 99.0 % test accuracy, about 90 s on 2 CPU cores.

5,000 training images are held out to choose the best checkpoint; the metric
reported is the last step's on test.
"""

from vision_jax.data.transforms.image import resize
from vision_jax.experiment import Experiment, base_config
from vision_jax.metrics.classification import Accuracy
from vision_jax.models.backbones.lenet import LeNet5
from vision_jax.optim.optimizers import sgd
from vision_jax.optim.schedules import warmup_cosine
from vision_jax.pipelines.classification import classification
from vision_jax.pipelines.colours import MNIST
from vision_jax.pipelines.data import Loading
from vision_jax.pipelines.sources.labels import LabelData
from vision_jax.tasks.classification import Classification


def get_config():
  return base_config(
    steps=4300,  # 10 epochs
    batch_size=128,
    eval_batch_size=1000,
    log_every=100,
    eval_every=430,
    dataset="mnist",
    image_size=28,
    channels=1,
    holdout=5000,
    lr=0.05,
    weight_decay=5e-4,
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
    "holdout": 240,
  },
}


def build(config):
  images = LabelData.of(config)
  data = classification(
    train=images.train,
    evals=images.evals,
    class_names=images.names(),
    num_classes=10,
    colours=MNIST,
    crop=resize((config.image_size, config.image_size)),
    loading=Loading.of(config),
    metrics={"accuracy": Accuracy()},
  )
  return Experiment(
    task=Classification(LeNet5(10, dtype=config.dtype)),
    optimizers={
      "model": sgd(
        warmup_cosine(config.lr, config.steps),
        weight_decay=config.weight_decay,
      )
    },
    best=("val/accuracy", "max"),
    **data.fields(),
  )
