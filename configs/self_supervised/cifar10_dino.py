"""DINO on CIFAR-10: a net learns what its own average makes of another view.

Neither net is given labels; both sort images into classes of their own. The
teacher's are lessened by their running mean (the centre) and sharpened. Without
the one all images soon have the same class, without the other all have each a
little: --config.centred=false, --config.teacher_temperature=0.1. Labels measure
the teacher's features alone, as `cifar10_simclr.py` says.
"""

from vision_jax.core.state import Following
from vision_jax.data.transforms.image import resize
from vision_jax.experiment import Experiment, base_config
from vision_jax.models.backbones.vit import ViT
from vision_jax.models.embedding import WithPrototypes
from vision_jax.ops.augment import two_views
from vision_jax.optim.optimizers import adamw
from vision_jax.optim.schedules import warmup_cosine
from vision_jax.pipelines.colours import CIFAR10
from vision_jax.pipelines.data import Loading
from vision_jax.pipelines.self_supervised import (
  self_supervised,
  untrained,
  view,
)
from vision_jax.pipelines.sources.labels import LabelData
from vision_jax.tasks.self_distillation import TEACHER, SelfDistillation


def get_config():
  """Returns the values.

  centred: whether the teacher's running mean is taken off its outputs.
  momentum: how much the teacher keeps of itself in a step, at first; it rises
  to 1.
  """
  return base_config(
    steps=35_000,
    batch_size=256,
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
    prototypes=4096,
    hidden=1024,
    bottleneck=256,
    temperature=0.1,
    teacher_temperature=0.04,
    centred=True,
    momentum=0.996,
    crop=(0.2, 1.0),
    jitter=0.5,
    gray=0.2,
    lr=5e-4,
    warmup=1000,
    weight_decay=0.04,
    clip=3.0,
    remat="none",
    dtype="float32",
  )


VARIANTS = {
  "cpu": {
    "steps": 1500,
    "batch_size": 128,
    "eval_every": 500,
    "save_every": 100,
    "width": 96,
    "depth": 4,
    "prototypes": 512,
    "hidden": 256,
    "bottleneck": 64,
    "momentum": 0.99,
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
    "prototypes": 32,
    "hidden": 16,
    "bottleneck": 8,
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
    remat=config.remat,
    dtype=config.dtype,
  )
  task = SelfDistillation(
    WithPrototypes(
      *(encoder, config.prototypes, config.hidden, config.bottleneck)
    ),
    temperature=config.temperature,
    teacher_temperature=config.teacher_temperature,
    centre_momentum=0.9 if config.centred else None,
  )
  data = self_supervised(
    train=images.train,
    evals=images.evals,
    beside={"untrained": untrained(task, config.seed)},
    crop=resize((config.image_size, config.image_size)),
    loading=Loading.of(config),
    colours=CIFAR10,
    examples=config.probe_examples,
  )
  seen = view(CIFAR10, crop=config.crop, jitter=config.jitter, gray=config.gray)
  schedule = warmup_cosine(config.lr, config.steps, warmup=config.warmup)
  forgets = warmup_cosine(1 - config.momentum, config.steps)
  return Experiment(
    task=task,
    optimizers={
      "model": adamw(
        schedule, weight_decay=config.weight_decay, clip=config.clip or None
      )
    },
    following={TEACHER: Following("model", lambda step: 1 - forgets(step))},
    augment=two_views(seen),
    **data.fields(),
  )
