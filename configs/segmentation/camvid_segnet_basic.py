"""SegNet-Basic on CamVid: 47.7 mIoU, 62.0 class, 82.7 global in the paper.

From scratch at 360 x 480, median frequency balancing, SGD with rate 0.1 and
momentum 0.9, batches of 12 (arXiv:1511.00561, table 1); the paper normalizes
local contrast, this does not, and decays the rate. Data as in camvid_unet.py.
For a GPU; not run there yet. The variant `cpu`, at half the resolution and so
not comparable, is for 2 cores; not run to its end either.
"""

from vision_jax.data.sources.masks import CAMVID_CLASSES, CAMVID_VOID
from vision_jax.experiment import Experiment
from vision_jax.models.segmentation.segnet import SegNetBasic
from vision_jax.optim.optimizers import sgd
from vision_jax.optim.schedules import warmup_cosine
from vision_jax.pipelines.data import Loading
from vision_jax.pipelines.segmentation import mask_augment, segmentation
from vision_jax.pipelines.segmentation_options import metrics_of, task_of
from vision_jax.pipelines.sources.masks import MaskData
from vision_jax.pipelines.sources.stand_ins import SCENE_CLASSES
from vision_jax.pipelines.values import resolve_masks, segmentation_config


def get_config():
  return segmentation_config(
    dataset="camvid",
    image_size=(360, 480),
    class_names=CAMVID_CLASSES,
    ignore_values=(CAMVID_VOID,),
    flip=True,
    balance=True,
    scale=(0.75, 1.5),
    steps=15_000,
    batch_size=12,
    log_every=50,
    eval_every=500,
    save_every=500,
    width=64,
    depth=4,
    lr=0.1,
    warmup=100,
    weight_decay=5e-4,
    remat="none",
    dtype="float32",
    convolutional=True,
  )


VARIANTS = {
  "tiny": {
    "dataset": "scenes",
    "image_size": (32, 32),
    "scenes": (64, 16, 32),
    "eval_batch_size": 16,
    "class_names": SCENE_CLASSES,
    "ignore_values": (),
    "steps": 20,
    "batch_size": 8,
    "log_every": 10,
    "eval_every": 10,
    "save_every": 10,
    "width": 4,
    "depth": 2,
    "warmup": 2,
  },
  "cpu": {
    "image_size": (180, 240),
    "steps": 600,
    "eval_every": 300,
    "save_every": 300,
    "width": 16,
  },
}

resolve = resolve_masks


def build(config):
  model = SegNetBasic(
    len(config.class_names),
    width=config.width,
    depth=config.depth,
    remat=config.remat,
    dtype=config.dtype,
  )
  schedule = warmup_cosine(config.lr, config.steps, warmup=config.warmup)
  masks, names = MaskData.of(config), tuple(config.class_names)
  loading = Loading.of(config)
  pipeline = segmentation(
    train=masks.train,
    evals=masks.evals,
    class_names=names,
    decode_mask=masks.decode_target(),
    mask_values=masks.mask_values,
    image_size=config.image_size,
    augment=mask_augment(
      scale=config.scale,
      degrees=config.degrees,
      crop=config.crop,
      flip=config.flip,
      jitter=config.jitter,
      colours=loading.colours,
    ),
    metrics=metrics_of(config),
    loading=loading,
  )
  return Experiment(
    task=task_of(config, model),
    optimizers={"model": sgd(schedule, weight_decay=config.weight_decay)},
    best=("val/miou", "max"),
    **pipeline.fields(),
  )
