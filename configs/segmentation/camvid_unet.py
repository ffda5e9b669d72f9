"""U-Net on CamVid, from scratch: mIoU 49.8 at 360 x 480 is what to reach.

367 / 101 / 233 images in `--config.data_dir` (images/SPLIT, masks/SPLIT), or in
`camvid` of the folder that VISION_JAX_DATA names; 11 classes, void ignored. The
checkpoint is chosen on val. For a GPU; not run there yet. The variant `cpu` is
a narrow net on folded pixels that sees windows of 240 x 320, scored on whole
images of the same 360 x 480: 49.2 after 3,600 steps, for which its processes
had a core for 47 minutes (seed 0, averaged weights). Its loss has the square
roots of the weights by median frequency, with which buildings
and trees are not given up for poles, and the Jaccard index; an image's mirrored
view counts too where it is scored.
"""

from vision_jax.data.sources.masks import CAMVID_CLASSES, CAMVID_VOID
from vision_jax.experiment import Experiment
from vision_jax.models.segmentation.unet import UNet
from vision_jax.optim.optimizers import adamw
from vision_jax.optim.schedules import warmup_cosine
from vision_jax.pipelines.data import Loading
from vision_jax.pipelines.segmentation import mask_augment, segmentation
from vision_jax.pipelines.segmentation_options import metrics_of, task_of
from vision_jax.pipelines.sources.masks import MaskData
from vision_jax.pipelines.sources.stand_ins import SCENE_CLASSES
from vision_jax.pipelines.values import resolve_masks, segmentation_config

# Square roots of the weights that `balance` sets: of sky, building, pole, ...
ROOTS = (0.53, 0.45, 2.19, 0.39, 1.0, 0.65, 1.96, 1.41, 0.89, 2.53, 2.97)


def get_config():
  return segmentation_config(
    dataset="camvid",
    image_size=(360, 480),
    class_names=CAMVID_CLASSES,
    ignore_values=(CAMVID_VOID,),
    flip=True,
    balance=True,
    scale=(0.5, 2.0),
    degrees=5.0,
    jitter=0.3,
    steps=15_000,
    batch_size=8,
    log_every=50,
    eval_every=500,
    save_every=500,
    width=64,
    depth=4,
    patch=1,
    dropout=0.1,
    lr=1e-3,
    warmup=200,
    weight_decay=1e-2,
    ema=0.999,
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
    "depth": 2,
    "warmup": 2,
    "ema": 0.99,
  },
  "cpu": {
    "crop": (240, 320),
    "scale": (0.7, 1.4),
    "jitter": 0.4,
    "balance": False,
    "class_weights": ROOTS,
    "loss": ("cross_entropy", "jaccard"),
    "loss_weights": (1.0, 0.5),
    "tta_flip": True,
    "steps": 3600,
    "eval_every": 1800,
    "save_every": 100,
    "width": 32,
    "depth": 3,
    "patch": 4,
    "lr": 2e-3,
    "warmup": 100,
    "ema": 0.997,
  },
}

resolve = resolve_masks


def build(config):
  model = UNet(
    len(config.class_names),
    width=config.width,
    depth=config.depth,
    dropout=config.dropout,
    patch=config.patch,
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
    weights=("raw", "ema"),
  )
  return Experiment(
    task=task_of(config, model),
    optimizers={"model": adamw(schedule, weight_decay=config.weight_decay)},
    ema={"model": config.ema},
    best=("val/ema/miou", "max"),
    **pipeline.fields(),
  )
