"""ENet on CamVid, from scratch: mIoU 52.85 at 360 x 480 is what to reach.

The published run has 300 epochs of batches of 10 at rate 5e-4 and no
augmentation but a mirror. Its class weights are 1 / ln(1.02 + frequency), here
those by median frequency; its rate falls by steps, here by a cosine. Data as in
camvid_unet.py. For a GPU; not run there yet. The variant `cpu` sees windows of
a quarter of an image's area, for some fifteen minutes of a core, and has an
mIoU of 20.8 then (one seed, raw weights); camvid_unet.py:cpu is what to take on
a CPU.
"""

from vision_jax.data.sources.masks import CAMVID_CLASSES, CAMVID_VOID
from vision_jax.experiment import Experiment
from vision_jax.models.segmentation.enet import ENet
from vision_jax.optim.optimizers import adamw
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
    steps=11_000,
    batch_size=10,
    log_every=50,
    eval_every=500,
    save_every=500,
    widths=(16, 64, 128),
    blocks=(4, 2, 1),
    repeats=2,
    dropout=(0.01, 0.1),
    lr=5e-4,
    warmup=100,
    weight_decay=2e-4,
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
    "widths": (4, 8, 8),
    "blocks": (1, 1, 1),
    "repeats": 1,
    "warmup": 2,
  },
  "cpu": {
    "crop": (180, 240),
    "scale": (0.6, 1.2),
    "jitter": 0.3,
    "balance": False,
    "loss": ("cross_entropy", "jaccard"),
    "loss_weights": (1.0, 0.5),
    "tta_flip": True,
    "steps": 600,
    "eval_every": 0,
    "save_every": 50,
    "batch_size": 8,
    "lr": 3e-3,
  },
}

resolve = resolve_masks


def build(config):
  model = ENet(
    len(config.class_names),
    tuple(config.widths),
    tuple(config.blocks),
    repeats=config.repeats,
    dropout=tuple(config.dropout),
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
    optimizers={"model": adamw(schedule, weight_decay=config.weight_decay)},
    best=("val/miou", "max"),
    **pipeline.fields(),
  )
