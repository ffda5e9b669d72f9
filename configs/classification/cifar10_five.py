"""A backbone on five classes of CIFAR-10, from which a fine-tune starts.

`--config.classes=...` names them; the others are never seen, so that a net
fine-tuned on a few images of those shows what it has learned to carry over:
`--config=configs/classification/folder_finetune.py --init_from=WORKDIR`. A
ResNet-20 by a short one-cycle recipe: about 20 minutes of one core.
"""

from vision_jax.data.transforms.image import resize
from vision_jax.experiment import Experiment, base_config
from vision_jax.metrics.classification import Accuracy
from vision_jax.models.backbones.resnet import ResNet20
from vision_jax.ops.augment import random_crop_flip
from vision_jax.optim.optimizers import sgd
from vision_jax.optim.schedules import one_cycle
from vision_jax.pipelines.classification import classification
from vision_jax.pipelines.colours import CIFAR10
from vision_jax.pipelines.data import Loading
from vision_jax.pipelines.sources.labels import LabelData
from vision_jax.tasks.classification import Classification


def get_config():
  return base_config(
    steps=3500,
    batch_size=64,
    eval_batch_size=250,
    log_every=50,
    eval_every=500,
    save_every=100,
    dataset="cifar10",
    classes=("airplane", "automobile", "bird", "cat", "deer"),
    image_size=32,
    channels=3,
    holdout=500,
    width=16,
    lr=0.1,
    weight_decay=5e-4,
    remat="none",
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
    "save_every": 0,
    "dataset": "digits",
    "classes": ("0", "1", "2", "3", "4"),
    "holdout": 60,
    "width": 4,
  },
}


def build(config):
  images = LabelData.of(config)
  model = ResNet20(
    len(images.names()),
    width=config.width,
    remat=config.remat,
    dtype=config.dtype,
  )
  schedule = one_cycle(config.lr, config.steps)
  data = classification(
    train=images.train,
    evals=images.evals,
    class_names=images.names(),
    colours=CIFAR10,
    crop=resize((config.image_size, config.image_size)),
    loading=Loading.of(config),
    metrics={"accuracy": Accuracy()},
  )
  return Experiment(
    task=Classification(model),
    optimizers={
      "model": sgd(schedule, nesterov=True, weight_decay=config.weight_decay)
    },
    augment=random_crop_flip(pad=4),
    best=("val/accuracy", "max"),
    **data.fields(),
  )
