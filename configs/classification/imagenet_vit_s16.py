"""ViT-S/16 on ImageNet, 90 epochs of batch 1,024: 76.5 % is to reach.

The plain recipe of Beyer et al. (2022), as in big_vision: sin-cos positions,
mean of the tokens, a tanh layer before the logits, RandAugment and MixUp, AdamW
with clipping; the rate multiplies the decay here, so that 0.1 is its 1e-4. 1 %
of train is held out, as there. Differs from it: pixels are normalized by
channel, the first moment is float32, MixUp draws for each pair. `data_dir` has
a prepared imagenet2012 (TFDS). Needs accelerators; not run here.
"""

from vision_jax.data.transforms.crops import (
  random_resized_crop,
  resize_centre_crop,
)
from vision_jax.experiment import Experiment, base_config
from vision_jax.metrics.classification import Accuracy
from vision_jax.models.backbones.vit import ViT, variant
from vision_jax.ops.augment import (
  mixup,
  normalized_range,
  rand_augment,
  random_flip,
  sequence,
)
from vision_jax.optim.optimizers import adamw
from vision_jax.optim.schedules import warmup_cosine
from vision_jax.pipelines.classification import classification
from vision_jax.pipelines.colours import IMAGENET
from vision_jax.pipelines.data import Loading
from vision_jax.pipelines.sources.labels import LabelData
from vision_jax.tasks.classification import Classification


def get_config():
  """Returns the values.

  model: size and patch of the ViT, see `vit.variant`.
  """
  return base_config(
    steps=111_600,  # 90 epochs
    batch_size=1024,
    eval_batch_size=500,
    log_every=100,
    eval_every=6200,
    dataset="imagenet2012",
    image_size=224,
    channels=3,
    holdout=12_811,
    num_classes=1000,
    model="S/16",
    remat="none",
    lr=1e-3,
    warmup=10_000,
    weight_decay=0.1,
    mixup=0.2,
    dtype="bfloat16",
  )


VARIANTS = {
  "tiny": {
    "steps": 20,
    "batch_size": 16,
    "eval_batch_size": 120,
    "log_every": 10,
    "eval_every": 10,
    "dataset": "digits",
    "image_size": 32,
    "holdout": 240,
    "num_classes": 10,
    "model": "Ti/16",
    "warmup": 2,
    "dtype": "float32",
  },
}


def build(config):
  vit = ViT(
    config.num_classes,
    **variant(config.model),
    head="gap",
    positions="sincos2d",
    pre_logits=True,
    remat=config.remat,
    dtype=config.dtype,
  )
  schedule = warmup_cosine(config.lr, config.steps, warmup=config.warmup)
  size = config.image_size
  images = LabelData.of(config)
  data = classification(
    train=images.train,
    evals=images.evals,
    class_names=images.names(),
    num_classes=config.num_classes,
    colours=IMAGENET,
    train_crop=random_resized_crop(size, bits=config.bits),
    crop=resize_centre_crop(size * 256 // 224, size),
    loading=Loading.of(config),
    metrics={"accuracy": Accuracy((1, 5))},
  )
  return Experiment(
    task=Classification(vit),
    optimizers={
      "model": adamw(schedule, weight_decay=config.weight_decay, clip=1.0)
    },
    augment=sequence(
      random_flip(),
      rand_augment(2, 10, value_range=normalized_range(*IMAGENET)),
      mixup(config.mixup, config.num_classes),
    ),
    best=("val/accuracy", "max"),
    **data.fields(),
  )
