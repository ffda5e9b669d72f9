"""Fine-tunes a trained net on your own images, by the usual recipe.

  python -m vision_jax.main --config=configs/classification/folder_finetune.py \
      --init_from=WORKDIR --config.data_dir=MY_IMAGES --workdir=out/mine

The net is that of the weights: of a workdir that one has trained, or that
`--mode=import` has made of a published file. Resolution, interpolation and
colours are those that it was trained with (`--config.preprocess.size=96,96`
changes the resolution of nets that take others); its head is new, with as many
outputs as the folder has classes, which the log says. The folder's layout is
found out, as by `folder_resnet18.py`, which tells of the other keys too.

Nesterov SGD, a short cosine after a warm-up, crops and flips; label smoothing
(`--config.smoothing=0.1`) and MixUp (`--config.mixup=0.2`) are off, as small
sets do not gain by them. Evaluated often: `best` is an early one where the
training set is learned by heart. Besides:

  --config.freeze='^(conv1|bn1|conv2_)'  parameters that stay bitwise as they
      are, by a regex searched in their paths, such as '^(?!fc/)' for all but
      the head
  --config.batch_norm=frozen  BatchNorm keeps the moments of the weights, for
      small batches and few images
  --config.optimizer=adamw --config.lr=1e-4 --config.layer_decay=0.75  for a
      ViT: each block learns by a factor slower than the one after it
  --config.lora=8  trains low-rank updates of the linear layers and the head
      alone (LoRA); --config.lora_layers='attention' says of which
  --config.shots=5  trains on so many images of each class, drawn by
      --config.seed

A published file without a workdir takes `--config.source=torchvision:resnet50`
to say what it is. The variant `cpu`, which is taken where there is no
accelerator, has fewer and smaller steps.
"""

import functools

from vision_jax.data.transforms.crops import random_resized_crop
from vision_jax.errors import UserError
from vision_jax.experiment import Experiment
from vision_jax.losses.classification import softmax_cross_entropy
from vision_jax.metrics.classification import Accuracy
from vision_jax.metrics.decisions import PrecisionRecallF1
from vision_jax.ops.augment import mixup, sequence
from vision_jax.optim.optimizers import adamw, sgd
from vision_jax.optim.schedules import warmup_cosine
from vision_jax.optim.transforms import layer_decay
from vision_jax.pipelines.augmentation import Augmentation, augment_config
from vision_jax.pipelines.classification import classification
from vision_jax.pipelines.data import Loading
from vision_jax.pipelines.pretrained import (
  PRETRAINED,
  Pretrained,
  resolve_pretrained,
)
from vision_jax.pipelines.sources.labels import LabelData
from vision_jax.pipelines.sources.stand_ins import DIGITS
from vision_jax.pipelines.values import label_config, resolve_labels
from vision_jax.tasks.classification import Classification

NAMED = 10  # classes, at most, that have metrics of their own


def get_config():
  """Returns the values.

  optimizer: "sgd" or "adamw".
  """
  return label_config(
    steps=2000,
    batch_size=64,
    eval_batch_size=64,
    log_every=50,
    eval_every=200,
    save_every=200,
    dataset="folder",
    classes=(),  # of a data set by name; () for all
    shots=0,
    image_size=224,  # of a `net` that is described, and of stand-ins
    augment=augment_config(
      crop=(0.35, 1.0), crop_ratio=(3 / 4, 4 / 3), flip="horizontal"
    ),
    freeze="",
    optimizer="sgd",
    lr=0.01,
    warmup=100,
    weight_decay=1e-4,
    layer_decay=1.0,
    smoothing=0.0,
    mixup=0.0,
    remat="none",
    dtype="float32",
    convolutional=True,
    **PRETRAINED,
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
    "image_size": 32,
    "holdout": 240,
    "class_names": DIGITS,
    "warmup": 2,
    "net": '{"model": "backbones.resnet.ResNet", "num_classes": 5, "stages": '
    '[1, 1], "bottleneck": false, "width": 4, "stem": "small"}',
  },
  "cpu": {
    "steps": 300,
    "batch_size": 32,
    "eval_every": 100,
    "save_every": 100,
    "warmup": 30,
  },
}
ON_CPU = "cpu"


def resolve(config):
  resolve_pretrained(config)
  for name in ("mean", "std"):  # the net's, unless the command has others
    config[name] = tuple(config[name]) or tuple(config.preprocess[name])
  resolve_labels(config)


def build(config):
  names = tuple(config.class_names)
  net = Pretrained.of(config, len(names))
  images, augment = LabelData.of(config), Augmentation.of(config)
  loading = Loading.of(config)
  measured = {
    "accuracy": Accuracy((1, 5) if len(names) >= 5 else (1,)),
    "f1": PrecisionRecallF1(names if len(names) <= NAMED else ()),
  }
  data = classification(
    train=images.train,
    evals=images.evals,
    class_names=names,
    train_crop=random_resized_crop(
      net.preprocess.size, augment.crop, augment.crop_ratio, **loading.pixels
    )
    if augment.crop
    else None,
    crop=net.preprocess.transform(),
    loading=loading,
    metrics=measured,
  )
  moves = augment.labels(loading.colours)
  if config.mixup:
    mix = mixup(config.mixup, len(names))
    moves = sequence(moves, mix) if moves else mix
  schedule = warmup_cosine(config.lr, config.steps, warmup=config.warmup)
  make = {"sgd": functools.partial(sgd, nesterov=True), "adamw": adamw}
  if config.optimizer not in make:
    raise UserError(
      f"--config.optimizer: got {config.optimizer!r}; expected sgd or adamw."
    )
  optimizer = make[config.optimizer](
    schedule,
    weight_decay=config.weight_decay,
    frozen=net.frozen,
    rates=layer_decay(config.layer_decay) if config.layer_decay < 1 else None,
  )
  return Experiment(
    task=Classification(
      net.model,
      functools.partial(softmax_cross_entropy, smoothing=config.smoothing),
      class_weights=tuple(config.class_weights) or None,
    ),
    optimizers={"model": optimizer},
    augment=moves,
    start=net.start,
    best=("val/accuracy", "max"),
    **data.fields(),
  )
