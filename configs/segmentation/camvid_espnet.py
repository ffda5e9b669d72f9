"""ESPNet on CamVid, from scratch: mIoU 55.64 by its own rule is what to reach.

The published net has an output for void, and what it predicts where the truth
is void counts as false: `miou_void`; `miou` leaves those pixels out. Published:
300 epochs, the rate halved every hundred, first the encoder at an eighth of the
image and then all of it; here all from the start, with a cosine. Data as in
camvid_unet.py. For a GPU; not run there yet.
"""

from vision_jax.data.sources.masks import CAMVID_CLASSES
from vision_jax.experiment import Experiment
from vision_jax.metrics.void import WithVoid
from vision_jax.models.segmentation.espnet import ESPNet
from vision_jax.optim.optimizers import adamw
from vision_jax.optim.schedules import warmup_cosine
from vision_jax.pipelines.data import Loading
from vision_jax.pipelines.segmentation import mask_augment, segmentation
from vision_jax.pipelines.segmentation_options import task_of
from vision_jax.pipelines.sources.masks import MaskData
from vision_jax.pipelines.sources.stand_ins import SCENE_CLASSES
from vision_jax.pipelines.values import resolve_masks, segmentation_config


def get_config():
  return segmentation_config(
    dataset="camvid",
    image_size=(360, 480),
    class_names=(*CAMVID_CLASSES, "void"),
    flip=True,
    balance=True,
    scale=(0.5, 2.0),
    jitter=0.3,
    steps=11_000,
    batch_size=10,
    log_every=50,
    eval_every=500,
    save_every=500,
    widths=(16, 64, 128),
    blocks=(2, 8),
    lr=5e-4,
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
    "log_every": 10,
    "eval_every": 10,
    "save_every": 10,
    "widths": (4, 10, 10),
    "blocks": (1, 1),
    "warmup": 2,
  },
}

resolve = resolve_masks


def build(config):
  model = ESPNet(
    len(config.class_names),
    tuple(config.blocks),
    tuple(config.widths),
    remat=config.remat,
    dtype=config.dtype,
  )
  schedule = warmup_cosine(config.lr, config.steps, warmup=config.warmup)
  masks, names = MaskData.of(config), tuple(config.class_names)
  loading = Loading.of(config)
  near = config.boundary_pixels, config.trimap_pixels
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
    metrics={"segmentation": WithVoid(names[:-1], *near)},
    loading=loading,
  )
  return Experiment(
    task=task_of(config, model),
    optimizers={"model": adamw(schedule, weight_decay=config.weight_decay)},
    best=("val/miou_void", "max"),
    **pipeline.fields(),
  )
