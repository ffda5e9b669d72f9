"""FCN-8s on CamVid, from scratch, at 360 x 480.

Published: mIoU 50.4, of a VGG-16 that starts from ImageNet's weights, so not
comparable. VGG-16 with BatchNorm, since nothing is pretrained, and fc6 and fc7
of 1,024 features; `--config.hidden=4096` is the paper's. Data as in
camvid_unet.py. For a GPU; not run there yet. The variant `cpu`, narrow and at
half the resolution, is not comparable; not run to its end either.
"""

from vision_jax.data.sources.masks import CAMVID_CLASSES, CAMVID_VOID
from vision_jax.experiment import Experiment
from vision_jax.models.segmentation.fcn import FCN8s
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
    scale=(0.5, 2.0),
    degrees=5.0,
    jitter=0.3,
    steps=15_000,
    batch_size=8,
    log_every=50,
    eval_every=500,
    save_every=500,
    width=64,
    hidden=1024,
    dropout=0.5,
    lr=0.01,
    warmup=200,
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
    "log_every": 10,
    "eval_every": 10,
    "save_every": 10,
    "width": 4,
    "hidden": 16,
    "warmup": 2,
  },
  "cpu": {
    "image_size": (180, 240),
    "steps": 800,
    "eval_every": 400,
    "save_every": 400,
    "width": 16,
    "hidden": 128,
  },
}

resolve = resolve_masks


def build(config):
  w = config.width
  model = FCN8s(
    len(config.class_names),
    stages=((w,) * 2, (2 * w,) * 2, (4 * w,) * 3, (8 * w,) * 3, (8 * w,) * 3),
    hidden=config.hidden,
    dropout=config.dropout,
    norm=True,
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
